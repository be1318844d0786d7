"""One node of a pipeline, run by TFX's own launcher: the step that every runner shares."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
from ml_metadata import errors as mlmd_errors
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx import types
from tfx.dsl.io import fileio
from tfx.proto.orchestration import pipeline_pb2
from tfx.types.standard_component_specs import MODEL_RUN_KEY

from components.compat import tfx_metadata
from components.compat.tfx_launcher import compiled as compiled
from components.compat.tfx_launcher import connection, launch
from components.compat.tfx_metadata import Metadata
from components.storage import free_space, is_full, storage_fault
from pipeline.metadata import record, store
from pipeline.metadata.store import StoreUnreachable


@dataclass(frozen=True)
class Outcome:
    """What became of a node.

    Attributes:
        seconds: wall time in this run.
        outputs: artifacts by output key; of a cached node, those of the run that made them.
        detail: a line on what it made.
    """

    node: str
    seconds: float
    cached: bool
    outputs: dict[str, list[types.Artifact]] = field(default_factory=dict)
    detail: str = ""


class _DriverFailed(Exception):
    """A node's driver failed: the launcher returned without an error."""

    def __init__(self, told: str) -> None:
        super().__init__(f"the driver stopped it: {told or 'an input is missing'}")
        self.told = told


class NodeFailed(Exception):
    """A node did not complete.

    Attributes:
        node: its id.
        seconds: wall time until it failed.
    """

    def __init__(self, node: str, message: str, seconds: float) -> None:
        super().__init__(message)
        self.node = node
        self.seconds = seconds


@contextmanager
def opened(pipeline: pipeline_pb2.Pipeline) -> Iterator[Metadata]:
    """The metadata store, open.

    Raises:
        StoreUnreachable: it does not answer, or its file cannot be used. Names it, without its password.
    """
    config = connection(pipeline)
    handle = Metadata(config)
    try:
        handle.__enter__()
    except RuntimeError as error:
        if not config.HasField("mysql"):
            file = store.describe(config)
            fault = storage_fault(error, file)
            raise StoreUnreachable(str(fault) if fault else f"{file} cannot be opened: {error}") from error
        raise StoreUnreachable(
            f"the metadata store {store.describe(config)} lets nobody in: is the server up, the password in "
            f"{store.PASSWORD}, and the user's plugin mysql_native_password? ({error})"
        ) from error
    try:
        yield handle
    finally:
        handle.__exit__(None, None, None)


@contextmanager
def whole_run(pipeline: pipeline_pb2.Pipeline) -> Iterator[Callable[[], None]]:
    """A run within which nodes run; the metadata store learns how it ended.

    Yields:
        What is to be called when it is complete.
    """

    def mark(state: int) -> None:
        with not_in_the_way(), opened(pipeline) as handle:
            record.mark_run(handle, pipeline, state)

    mark(mlmd.Execution.RUNNING)
    try:
        yield lambda: mark(mlmd.Execution.COMPLETE)
    except KeyboardInterrupt:
        mark(mlmd.Execution.CANCELED)
        raise


@contextmanager
def not_in_the_way() -> Iterator[None]:
    """What only keeps the books must not hide what happened: a full disk fails a node, and then this too."""
    try:
        yield
    except Exception:
        logging.getLogger(__name__).exception("The state of the run could not be written down.")


def run_node(pipeline: pipeline_pb2.Pipeline, node: pipeline_pb2.PipelineNode, run_name: str = "") -> Outcome:
    """Runs a node: driver, cache, executor, publisher.

    Args:
        pipeline: the IR, its run id substituted.
        node: one of its nodes, all nodes before it complete.
        run_name: what people call the run.

    Raises:
        NodeFailed: the driver or the executor failed. The cause stands in the metadata store too.
        StoreUnreachable: the metadata store does not answer.
    """
    node_id = node.node_info.id
    started = time.monotonic()
    try:
        outcome = _launch(pipeline, node, run_name)
    except StoreUnreachable as error:
        if not storage_fault(error, _folder(pipeline, node)):
            raise
        raise NodeFailed(node_id, str(error), time.monotonic() - started) from error
    except Exception as error:
        cause = _cause(error, pipeline, node)
        with not_in_the_way(), opened(pipeline) as handle:
            record.mark_failed(handle, pipeline, node, cause)
        raise NodeFailed(node_id, cause, time.monotonic() - started) from error
    return dataclasses.replace(outcome, seconds=time.monotonic() - started)


def _launch(pipeline: pipeline_pb2.Pipeline, node: pipeline_pb2.PipelineNode, run_name: str) -> Outcome:
    node_id = node.node_info.id
    with opened(pipeline) as handle:
        record.take_up(handle, pipeline, node_id, run_name)
        _clear_unfinished(handle, pipeline, node)
    launched = launch(pipeline, node)
    # The launcher returns normally when a driver failed, and gives fresh, unused locations for a cached node: only the
    # metadata store knows.
    with opened(pipeline) as handle:
        execution = _execution(handle, launched)
        if execution is None or execution.last_known_state not in record.DONE:
            raise _DriverFailed(record.last_line(execution) if execution else "")
        outputs = tfx_metadata.outputs(handle, execution.id)
    return Outcome(node_id, 0.0, execution.last_known_state == mlmd.Execution.CACHED, outputs)


def _clear_unfinished(handle: Metadata, pipeline: pipeline_pb2.Pipeline, node: pipeline_pb2.PipelineNode) -> None:
    """Deletes what a killed try of this node in this run has written: TFX takes it up in the same folders.

    A temporary file of Beam's, or a shard of another number of shards, would be read as data. The Trainer's logs stay.
    """
    unfinished = record.unfinished_try(handle, node)
    root = pipeline.runtime_spec.pipeline_root.field_value.string_value
    for key in node.outputs.outputs if unfinished is not None else ():
        folder = f"{root}/{node.node_info.id}/{key}/{unfinished}"
        if key != MODEL_RUN_KEY and fileio.exists(folder):
            fileio.rmtree(folder)


def _execution(handle: Metadata, execution_id: int | None) -> mlmd.Execution | None:
    found = handle.store.get_executions_by_id([execution_id]) if execution_id is not None else []
    return found[0] if found else None


def _folder(pipeline: pipeline_pb2.Pipeline, node: pipeline_pb2.PipelineNode) -> str:
    """The folder of a node's outputs."""
    return f"{pipeline.runtime_spec.pipeline_root.field_value.string_value}/{node.node_info.id}"


def _cause(error: Exception, pipeline: pipeline_pb2.Pipeline, node: pipeline_pb2.PipelineNode) -> str:
    """Why a node failed: a fault of the file system in one line, or the error's own text."""
    folder = _folder(pipeline, node)
    of_store = isinstance(error, mlmd_errors.StatusError) and not connection(pipeline).HasField("mysql")
    place = store.describe(connection(pipeline)) if of_store else folder
    if fault := storage_fault(error.told if isinstance(error, _DriverFailed) else error, place):
        return str(fault)
    # Some libraries do not say that what they could not write was for want of space.
    full = f" (The file system of {folder} is full: {free_space(folder)}.)" if is_full(folder) else ""
    return f"{message(error)}{full}"


def message(error: BaseException) -> str:
    """Say an error: its text, after its type unless it is one of BigVocab's own."""
    if isinstance(error, grpc.FutureTimeoutError):  # It has no text at all.
        return "Beam's engine does not answer: is its job server up, and at the address that `beam` says?"
    if isinstance(error, grpc.RpcError) and isinstance(error, grpc.Call):
        # Its own text is an object's, over several lines.
        return f"Beam's engine was lost: {error.code().name}: {error.details()}"
    text = str(error).strip()
    if text and type(error).__module__.startswith(
        ("components.", "pipeline.")
    ):  # Its text is made for people, and says all.
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
