"""Execution of one node of a pipeline by TFX's own launcher. All runners use it."""

from __future__ import annotations

import dataclasses
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
from ml_metadata import errors as mlmd_errors
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx import types
from tfx.proto.orchestration import pipeline_pb2

from components.compat.tfx import metadata as tfx_metadata
from components.compat.tfx.launcher import compiled as compiled
from components.compat.tfx.launcher import connection, launch
from components.compat.tfx.metadata import Metadata
from components.files import check_fence
from components.memory import lacks_memory, memory, peak, reset_peak
from components.messages.own_errors import is_own
from components.messages.redaction import redacted
from components.storage import free_space, is_full, storage_fault
from pipeline.execution import killed
from pipeline.metadata import record, store
from pipeline.metadata.store import StoreUnreachable


@dataclass(frozen=True)
class Outcome:
    """Result of a node that completed.

    Attributes:
        node: Id of the node.
        seconds: Wall time in this run.
        cached: Whether TFX reused the outputs of an earlier run.
        outputs: Artifacts by output key. For a cached node, the artifacts of the run that created them.
        detail: One line that describes the outputs.
        cpu_seconds: CPU time in this run, of this process and of its child processes that have ended; None if it was
            not measured.
        peak_bytes: Greatest resident memory of this process during the node; None if it was not measured.
        execution: Id of the execution in the metadata store.
        inputs: Input artifacts by key.
    """

    node: str
    seconds: float
    cached: bool
    outputs: dict[str, list[types.Artifact]] = field(default_factory=dict)
    detail: str = ""
    cpu_seconds: float | None = None
    peak_bytes: int | None = None
    execution: int | None = None
    inputs: dict[str, list[types.Artifact]] = field(default_factory=dict)


class _DriverFailed(Exception):
    """Failure of a node's driver, after which the launcher returns without an error."""

    def __init__(self, status: str) -> None:
        super().__init__(f"the driver failed: {status or 'an input is missing'}")
        self.status = status


class NodeFailed(Exception):
    """Failure of a node.

    Attributes:
        node: Id of the node.
        seconds: Wall time until the failure.
    """

    def __init__(self, node: str, message: str, seconds: float) -> None:
        super().__init__(message)
        self.node = node
        self.seconds = seconds


@contextmanager
def opened(pipeline: pipeline_pb2.Pipeline) -> Iterator[Metadata]:
    """Open the metadata store of a pipeline. Yields and raises as `opened_at` does."""
    with opened_at(connection(pipeline)) as handle:
        yield handle


@contextmanager
def opened_at(config: mlmd.ConnectionConfig) -> Iterator[Metadata]:
    """Open a metadata store.

    Yields:
        The open store.

    Raises:
        StoreUnreachable: The server does not answer, or the file cannot be used. The message names the store without
            its password.
    """
    check_fence()
    handle = Metadata(config)
    try:
        handle.__enter__()
    except RuntimeError as error:
        if not config.HasField("mysql"):
            file = store.describe(config)
            fault = storage_fault(error, file)
            raise StoreUnreachable(str(fault) if fault else f"{file} cannot be opened: {error}") from error
        raise StoreUnreachable(
            f"cannot connect to the metadata store {store.describe(config)}: check that the server is running, "
            f"that {store.PASSWORD} holds the password, and that the user's plugin is mysql_native_password ({error})"
        ) from error
    try:
        yield handle
    finally:
        handle.__exit__(None, None, None)


@contextmanager
def whole_run(pipeline: pipeline_pb2.Pipeline) -> Iterator[Callable[[], None]]:
    """Record the state of a run in the metadata store while its nodes run.

    The state is RUNNING at the start, and CANCELED after KeyboardInterrupt. Earlier runs that were killed are marked as
    failed, so the process must hold the root.

    Yields:
        Function that marks the run as complete.
    """

    def mark(state: int) -> None:
        with not_in_the_way(), opened(pipeline) as handle:
            record.mark_run(handle, pipeline, state)

    with not_in_the_way(), opened(pipeline) as handle:
        killed.end_runs(handle, pipeline)
    mark(mlmd.Execution.RUNNING)
    try:
        yield lambda: mark(mlmd.Execution.COMPLETE)
    except KeyboardInterrupt:
        mark(mlmd.Execution.CANCELED)
        raise


@contextmanager
def not_in_the_way() -> Iterator[None]:
    """Log any exception instead of raising it.

    For code that only records the state of a run: its errors must not hide the original error. A full disk, for
    example, fails a node first and then the record of the failure.
    """
    try:
        yield
    except Exception:
        logging.getLogger(__name__).exception("The state of the run could not be recorded.")


def run_node(
    pipeline: pipeline_pb2.Pipeline, node: pipeline_pb2.PipelineNode, run_name: str = "", needed: int = 0
) -> Outcome:
    """Run a node: driver, cache, executor and publisher.

    Args:
        pipeline: Intermediate representation of the pipeline, with the run id substituted.
        node: Node of the pipeline. All nodes before it must be complete.
        run_name: Display name of the run.
        needed: Estimated disk space of the node in bytes, for the message about a full disk; 0 if unknown.

    Raises:
        NodeFailed: The driver or the executor failed. The metadata store records the cause too.
        StoreUnreachable: The metadata store does not answer.
    """
    node_id = node.node_info.id
    started, cpu, measures_peak = time.monotonic(), _cpu(), reset_peak()
    try:
        outcome = _launch(pipeline, node, run_name)
    except StoreUnreachable as error:
        if not storage_fault(error, _folder(pipeline, node)):
            raise
        raise NodeFailed(node_id, str(error), time.monotonic() - started) from error
    except Exception as error:
        cause = _cause(error, pipeline, node, needed)
        # TFX deletes the outputs if the executor fails, but not if the disk is too full to record its success.
        with not_in_the_way(), opened(pipeline) as handle:
            killed.clear_try(handle, pipeline, node)
        with not_in_the_way(), opened(pipeline) as handle:
            record.mark_failed(handle, pipeline, node, cause)
        raise NodeFailed(node_id, cause, time.monotonic() - started) from error
    most = peak() if measures_peak else None
    return dataclasses.replace(outcome, seconds=time.monotonic() - started, cpu_seconds=_cpu() - cpu, peak_bytes=most)


def _cpu() -> float:
    """Return the CPU seconds of this process and of its child processes that have ended."""
    return sum(os.times()[:4])


def _launch(pipeline: pipeline_pb2.Pipeline, node: pipeline_pb2.PipelineNode, run_name: str) -> Outcome:
    node_id = node.node_info.id
    with opened(pipeline) as handle:
        record.take_up(handle, pipeline, node_id, run_name)
        killed.clear_try(handle, pipeline, node)
    launched = launch(pipeline, node)
    # The state and the outputs come from the metadata store, not from the launcher: it returns normally if a driver
    # failed, and returns new, unused locations for a cached node.
    with opened(pipeline) as handle:
        execution = _execution(handle, launched)
        if execution is None or execution.last_known_state not in record.DONE:
            raise _DriverFailed(record.last_line(execution) if execution else "")
        inputs, outputs = tfx_metadata.inputs(handle, execution.id), tfx_metadata.outputs(handle, execution.id)
    cached = execution.last_known_state == mlmd.Execution.CACHED
    return Outcome(node_id, 0.0, cached, outputs, execution=execution.id, inputs=inputs)


def _execution(handle: Metadata, execution_id: int | None) -> mlmd.Execution | None:
    found = handle.store.get_executions_by_id([execution_id]) if execution_id is not None else []
    return found[0] if found else None


def _folder(pipeline: pipeline_pb2.Pipeline, node: pipeline_pb2.PipelineNode) -> str:
    """Return the folder of a node's outputs."""
    return f"{record.root_of(pipeline)}/{node.node_info.id}"


def _cause(error: Exception, pipeline: pipeline_pb2.Pipeline, node: pipeline_pb2.PipelineNode, needed: int) -> str:
    """Return the cause of a node's failure: a file system fault in one line, or else the text of the error."""
    folder = _folder(pipeline, node)
    of_store = isinstance(error, mlmd_errors.StatusError) and not connection(pipeline).HasField("mysql")
    place = store.describe(connection(pipeline)) if of_store else folder
    if fault := storage_fault(error.status if isinstance(error, _DriverFailed) else error, place, needed):
        return str(fault)
    if not is_own(error) and lacks_memory(error):
        return (
            f"Out of memory ({memory()} now): free some memory, or use an engine with more of it or with fewer workers "
            f"at a time (`beam`). {message(error).splitlines()[0][:300]}"
        )
    # The errors of some libraries do not mention that the file system was full.
    full = f" (The file system of {folder} is full: {free_space(folder)}.)" if is_full(folder) else ""
    return redacted(f"{message(error)}{full}")


def message(error: BaseException) -> str:
    """Return an error as text: its message, preceded by its type unless BigVocab itself defines the error."""
    if isinstance(error, grpc.FutureTimeoutError):  # Its own text is empty.
        return "Beam's engine does not answer: check that its job server is running at the address in `beam`"
    if isinstance(error, grpc.RpcError) and isinstance(error, grpc.Call):
        # Its own text is the representation of an object, on several lines.
        return f"The connection to Beam's engine was lost: {error.code().name}: {error.details()}"
    text = str(error).strip()
    if text and is_own(error):  # Written for users, and complete.
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
