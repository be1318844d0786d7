"""Records of a run in the metadata store: its state, the cause of a failure, and the outputs of its nodes."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ml_metadata import errors
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.proto.orchestration import pipeline_pb2
from tfx.types import Artifact

from components.compat.tfx import metadata as tfx_metadata
from components.compat.tfx.metadata import Metadata

RUN_TYPE = "bigvocab.Run"
"""Type of the execution that represents a whole run. The execution is named after the pipeline and the run id."""
State = mlmd.Execution.State
DONE = (mlmd.Execution.COMPLETE, mlmd.Execution.CACHED)
_NOT_ENDED = (mlmd.Execution.NEW, mlmd.Execution.RUNNING)
_ROOT = "root"
"""Property of a run: the folder of the outputs. A server may have the records of several roots."""
_CPU, _PEAK = "cpu_seconds", "peak_bytes"
"""Properties of an execution: see `NodeRecord`."""


@dataclass(frozen=True)
class NodeRecord:
    """Last try of a node in a run.

    Attributes:
        node: Id of the node.
        state: State of the execution: ML Metadata's name in lower case.
        seconds: Time from the registration of the execution to its last change.
        outputs: Artifacts by output key. For a cached node, the artifacts of the run that created them.
        cause: Cause of the failure; empty if the node did not fail.
        execution: Id of the execution.
        inputs: Input artifacts by key.
        cpu_seconds: CPU time, and `peak_bytes`: greatest resident memory, as `note_usage` noted them. None if it did
            not.
    """

    node: str
    state: str
    seconds: float
    outputs: dict[str, list[Artifact]]
    cause: str
    execution: int
    inputs: dict[str, list[Artifact]]
    cpu_seconds: float | None = None
    peak_bytes: int | None = None


def span_run(run_id: str, span: int) -> str:
    """Return the id of the run that ingests an earlier span for a run."""
    return f"{run_id}_span-{span}"


def main_run(run_id: str) -> str:
    """Return the id of the run for which a run ingests an earlier span, or the same id for any other run."""
    return re.sub(r"_span--?\d+$", "", run_id)


def mark_run(handle: Metadata, pipeline: pipeline_pb2.Pipeline, state: int, cause: str = "", name: str = "") -> None:
    """Record the state of a run.

    Args:
        handle: Open metadata store.
        pipeline: Intermediate representation of the pipeline, with the run id substituted.
        state: RUNNING, COMPLETE, FAILED or CANCELED.
        cause: Cause of the failure: node and message.
        name: Display name of the run.
    """
    store = handle.store
    execution = _run_execution(handle, pipeline)
    execution.last_known_state = state
    if name:
        execution.custom_properties["name"].string_value = name
    tfx_metadata.set_cause(execution, cause)
    store.put_executions([execution])


def take_up(handle: Metadata, pipeline: pipeline_pb2.Pipeline, node: str, name: str = "") -> None:
    """Register the run, and clear its failure at this node, which is tried again.

    Failures of other nodes stay: the run remains failed until each failed node has been tried again.
    """
    execution = _run_execution(handle, pipeline)
    if name and name != execution.custom_properties["name"].string_value:
        execution.custom_properties["name"].string_value = name
        handle.store.put_executions([execution])
    if cause_of(execution).startswith(f"{node}: "):
        others = (r for r in node_records(handle, pipeline) if r.node != node and r.state == "failed")
        other = next(others, None)
        if other:
            mark_run(handle, pipeline, mlmd.Execution.FAILED, f"{other.node}: {other.cause}")
        else:
            mark_run(handle, pipeline, mlmd.Execution.RUNNING)


def mark_failed(handle: Metadata, pipeline: pipeline_pb2.Pipeline, node: pipeline_pb2.PipelineNode, cause: str) -> None:
    """Mark the last try of a node and the run as failed, and record the cause with both.

    TFX itself does not: it leaves the execution running if the driver raises, and records no cause if the executor
    raises.
    """
    tries = _tries(handle, node)
    if tries and tries[-1].last_known_state not in DONE:
        tries[-1].last_known_state = mlmd.Execution.FAILED
        tfx_metadata.set_cause(tries[-1], cause)
        handle.store.put_executions([tries[-1]])
    mark_run(handle, pipeline, mlmd.Execution.FAILED, f"{node.node_info.id}: {cause}")


def note_usage(handle: Metadata, execution: int, cpu_seconds: float, peak_bytes: int | None) -> None:
    """Note with an execution what its process used. The process of a pod has ended when the report is written."""
    (found,) = handle.store.get_executions_by_id([execution])
    found.custom_properties[_CPU].double_value = cpu_seconds
    if peak_bytes is not None:
        found.custom_properties[_PEAK].int_value = peak_bytes
    handle.store.put_executions([found])


def unfinished_try(handle: Metadata, node: pipeline_pb2.PipelineNode) -> int | None:
    """Return the execution id of the last try of a node in this run if its process was killed, else None.

    Such a try has neither completed, failed, nor been canceled.
    """
    tries = _tries(handle, node)
    ended = (*DONE, mlmd.Execution.FAILED, mlmd.Execution.CANCELED)
    return tries[-1].id if tries and tries[-1].last_known_state not in ended else None


def end_killed(handle: Metadata, pipeline: pipeline_pb2.Pipeline) -> list[int]:
    """Mark all executions of earlier runs of this root that have not ended as failed.

    Read the runs that are recorded as running, and at the last run, which may have ended while a node was running.

    Returns:
        Ids of these executions.
    """
    store, prefix, found = handle.store, f"{pipeline.pipeline_info.id}.", []
    earlier = [
        run for run in store.get_executions_by_type(RUN_TYPE)
        if run.name.startswith(prefix) and run.name != _run_name(pipeline) and _root_in(run) == root_of(pipeline)
    ]  # fmt: skip
    last = max((run.id for run in earlier), default=None)
    for run in (run for run in earlier if run.id == last or run.last_known_state in _NOT_ENDED):
        context = tfx_metadata.context_of_run(store, run.name.removeprefix(prefix))
        executions = store.get_executions_by_context(context.id) if context else []
        found += [execution for execution in executions if execution.last_known_state in _NOT_ENDED]
    for execution in found:
        execution.last_known_state = mlmd.Execution.FAILED
        tfx_metadata.set_cause(execution, "the process was killed")
    store.put_executions(found)
    return [execution.id for execution in found]


def _root_in(run: mlmd.Execution) -> str:
    """Return the root of a run; empty for the runs of earlier versions."""
    # A lookup would add the property without a value, and MySQL refuses it when the execution is written.
    return run.custom_properties[_ROOT].string_value if _ROOT in run.custom_properties else ""


def node_records(handle: Metadata, pipeline: pipeline_pb2.Pipeline) -> list[NodeRecord]:
    """Return the records of all nodes of a run that were tried, in the order of the pipeline."""
    found = []
    for node in (entry.pipeline_node for entry in pipeline.nodes):
        tries = _tries(handle, node)
        if tries:
            last = tries[-1]
            found.append(
                NodeRecord(
                    node.node_info.id,
                    State.Name(last.last_known_state).lower(),
                    (last.last_update_time_since_epoch - last.create_time_since_epoch) / 1e3,
                    tfx_metadata.outputs(handle, last.id),
                    cause_of(last),
                    last.id,
                    tfx_metadata.inputs(handle, last.id),
                    last.custom_properties[_CPU].double_value if _CPU in last.custom_properties else None,
                    last.custom_properties[_PEAK].int_value if _PEAK in last.custom_properties else None,
                )
            )
    return found


def started(handle: Metadata, pipeline: pipeline_pb2.Pipeline) -> float:
    """Return the time of the first record of a run, in seconds since the epoch."""
    return _run_execution(handle, pipeline).create_time_since_epoch / 1e3


def _tries(handle: Metadata, node: pipeline_pb2.PipelineNode) -> Sequence[mlmd.Execution]:
    """Return the executions of a node in this run, oldest first."""
    return sorted(tfx_metadata.executions(handle, node), key=lambda execution: execution.id)


def _run_execution(handle: Metadata, pipeline: pipeline_pb2.Pipeline) -> mlmd.Execution:
    """Return the execution that represents the run; create it if needed. Safe if another pod does so concurrently."""
    store = handle.store
    name = _run_name(pipeline)
    execution = store.get_execution_by_type_and_name(RUN_TYPE, name)
    if execution:
        return execution
    type_id = store.put_execution_type(mlmd.ExecutionType(name=RUN_TYPE))
    execution = mlmd.Execution(type_id=type_id, name=name, last_known_state=mlmd.Execution.RUNNING)
    execution.custom_properties[_ROOT].string_value = root_of(pipeline)
    runs = tfx_metadata.run_contexts(handle, pipeline.nodes[0].pipeline_node)
    with contextlib.suppress(errors.AlreadyExistsError):
        store.put_execution(execution, [], runs)
    return store.get_execution_by_type_and_name(RUN_TYPE, name)


def _run_name(pipeline: pipeline_pb2.Pipeline) -> str:
    return f"{pipeline.pipeline_info.id}.{pipeline.runtime_spec.pipeline_run_id.field_value.string_value}"


def root_of(pipeline: pipeline_pb2.Pipeline) -> str:
    """Return the folder of the outputs of a compiled pipeline."""
    return pipeline.runtime_spec.pipeline_root.field_value.string_value


def last_line(execution: mlmd.Execution) -> str:
    """Return the message of the exception whose traceback TFX recorded with an execution."""
    lines = cause_of(execution).strip().splitlines()
    return lines[-1].partition(": ")[2] if lines else ""


def cause_of(execution: mlmd.Execution) -> str:
    """Return the cause of an execution's failure; empty if it did not fail."""
    return tfx_metadata.cause(execution) if execution.last_known_state == mlmd.Execution.FAILED else ""
