"""One node of a pipeline, run by TFX's own launcher: the step that every runner shares."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from ml_metadata.proto import metadata_store_pb2 as mlmd
from tfx import types
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import launcher
from tfx.orchestration.portable.mlmd import execution_lib
from tfx.proto.orchestration import pipeline_pb2


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


def connection(pipeline: pipeline_pb2.Pipeline) -> mlmd.ConnectionConfig:
    deployment = runner_utils.extract_local_deployment_config(pipeline)
    chosen = deployment.metadata_connection_config
    return getattr(chosen, chosen.WhichOneof("connection_config"))


def run_node(pipeline: pipeline_pb2.Pipeline, node: pipeline_pb2.PipelineNode) -> Outcome:
    """Runs a node: driver, cache, executor, publisher.

    Args:
        pipeline: the IR, its run id substituted.
        node: one of its nodes, all nodes before it complete.

    Raises:
        NodeFailed: the driver or the executor failed.
    """
    node_id = node.node_info.id
    deployment = runner_utils.extract_local_deployment_config(pipeline)
    handle = metadata.Metadata(connection(pipeline))
    started = time.monotonic()
    try:
        info = launcher.Launcher(
            pipeline_node=node,
            mlmd_connection=handle,
            pipeline_info=pipeline.pipeline_info,
            pipeline_runtime_spec=pipeline.runtime_spec,
            executor_spec=runner_utils.extract_executor_spec(deployment, node_id),
            custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, node_id),
        ).launch()
    except Exception as error:
        raise NodeFailed(node_id, _message(error), time.monotonic() - started) from error
    seconds = time.monotonic() - started
    # The launcher returns normally when a driver failed, and gives fresh, unused locations for a cached node: only the
    # metadata store knows.
    with handle as store:
        execution = _execution(store, info.execution_id if info else None)
        if execution is None or execution.last_known_state not in (mlmd.Execution.COMPLETE, mlmd.Execution.CACHED):
            state = mlmd.Execution.State.Name(execution.last_known_state) if execution else "not registered"
            raise NodeFailed(node_id, f"the driver stopped it: an input is missing ({state.lower()})", seconds)
        outputs = execution_lib.get_output_artifacts(store, execution.id)
    return Outcome(
        node_id,
        seconds,
        execution.last_known_state == mlmd.Execution.CACHED,
        {key: list(artifacts) for key, artifacts in outputs.items()},
    )


def _execution(store: metadata.Metadata, execution_id: int | None) -> mlmd.Execution | None:
    found = store.store.get_executions_by_id([execution_id]) if execution_id is not None else []
    return found[0] if found else None


def _message(error: BaseException) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
