"""TFX's view of ML Metadata: the executions of a node in a run, their outputs, and the causes of their failures.

Reason: TFX defines the form of these in the store, and has no public reader or writer of them.
Versions: TFX 1.21.
Remove when: TFX has a public reader and writer of executions.
"""

from __future__ import annotations

from collections.abc import Sequence

from ml_metadata.metadata_store import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx.dsl.compiler.constants import PIPELINE_CONTEXT_TYPE_NAME, PIPELINE_RUN_CONTEXT_TYPE_NAME
from tfx.orchestration.metadata import Metadata
from tfx.orchestration.portable.mlmd import context_lib, execution_lib
from tfx.proto.orchestration import execution_result_pb2, pipeline_pb2
from tfx.types import Artifact

__all__ = [
    "Metadata", "cause", "context_of_pipeline", "context_of_run", "executions", "inputs", "outputs", "run_contexts",
    "set_cause",
]  # fmt: skip
_OK, _UNKNOWN = 0, 2  # google.rpc.Code


def executions(handle: Metadata, node: pipeline_pb2.PipelineNode) -> Sequence[mlmd.Execution]:
    """Return the executions of a node in its run."""
    contexts = context_lib.prepare_contexts(handle, node.contexts)
    return execution_lib.get_executions_associated_with_all_contexts(handle, contexts)


def run_contexts(handle: Metadata, node: pipeline_pb2.PipelineNode) -> list[mlmd.Context]:
    """Return the contexts that represent the run of a node."""
    contexts = context_lib.prepare_contexts(handle, node.contexts)
    types = {kind.id: kind.name for kind in handle.store.get_context_types()}
    return [context for context in contexts if types[context.type_id] == PIPELINE_RUN_CONTEXT_TYPE_NAME]


def context_of_pipeline(store: MetadataStore, pipeline: str) -> mlmd.Context | None:
    """Return the context that all executions and artifacts of a pipeline have; None before its first run."""
    return store.get_context_by_type_and_name(PIPELINE_CONTEXT_TYPE_NAME, pipeline)


def context_of_run(store: MetadataStore, run_id: str) -> mlmd.Context | None:
    """Return the context that all executions of a run have; None if the run has none."""
    return store.get_context_by_type_and_name(PIPELINE_RUN_CONTEXT_TYPE_NAME, run_id)


def inputs(handle: Metadata, execution: int) -> dict[str, list[Artifact]]:
    """Return the input artifacts of an execution by key."""
    return {key: list(read) for key, read in execution_lib.get_input_artifacts(handle, execution).items()}


def outputs(handle: Metadata, execution: int) -> dict[str, list[Artifact]]:
    """Return the output artifacts of an execution by key. A cached execution has the outputs that it reused."""
    return {key: list(made) for key, made in execution_lib.get_output_artifacts(handle, execution).items()}


def set_cause(execution: mlmd.Execution, cause: str) -> None:
    """Set the cause of an execution's failure. An empty cause marks success."""
    result = execution_result_pb2.ExecutionResult(code=_UNKNOWN if cause else _OK, result_message=cause)
    execution_lib.set_execution_result(result, execution)


def cause(execution: mlmd.Execution) -> str:
    """Return the message of an execution's result, or an empty string if it has no result."""
    result = execution_lib.get_execution_result(execution, ignore_parse_errors=True)
    return result.result_message if result else ""
