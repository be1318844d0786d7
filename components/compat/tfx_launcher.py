"""TFX's compiler and launcher: a pipeline as a message, and the running of one of its nodes.

Reason: TFX's public runners run a whole pipeline, or hand it to an orchestrator. BigVocab runs a node at a time, on one
    machine and in pods, and its own process says which.
Versions: TFX 1.21.
Remove when: TFX has a public way to run one node of a pipeline.
"""

from __future__ import annotations

from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler import compiler
from tfx.dsl.compiler.constants import PIPELINE_RUN_ID_PARAMETER_NAME
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import launcher, runtime_parameter_utils
from tfx.proto.orchestration import pipeline_pb2

from components.compat.tfx_v1 import v1 as tfx


def compiled(pipeline: tfx.dsl.Pipeline, run_id: str | None = None) -> pipeline_pb2.Pipeline:
    """Return a pipeline as TFX's message: its intermediate representation.

    Args:
        pipeline: to compile.
        run_id: of the run it is for; None: of none.
    """
    ir = compiler.Compiler().compile(pipeline)
    if run_id is not None:
        runtime_parameter_utils.substitute_runtime_parameter(ir, {PIPELINE_RUN_ID_PARAMETER_NAME: run_id})
    return ir


def connection(pipeline: pipeline_pb2.Pipeline) -> metadata_store_pb2.ConnectionConfig:
    """Return how to reach the metadata store of a compiled pipeline."""
    chosen = runner_utils.extract_local_deployment_config(pipeline).metadata_connection_config
    return getattr(chosen, chosen.WhichOneof("connection_config"))


def launch(pipeline: pipeline_pb2.Pipeline, node: pipeline_pb2.PipelineNode) -> int | None:
    """Run a node: its driver, the cache, its executor and its publisher.

    Args:
        pipeline: compiled for a run.
        node: one of its nodes.

    Returns:
        The id of the execution; None where TFX made none.
    """
    deployment, node_id = runner_utils.extract_local_deployment_config(pipeline), node.node_info.id
    info = launcher.Launcher(
        pipeline_node=node,
        mlmd_connection=metadata.Metadata(connection(pipeline)),
        pipeline_info=pipeline.pipeline_info,
        pipeline_runtime_spec=pipeline.runtime_spec,
        executor_spec=runner_utils.extract_executor_spec(deployment, node_id),
        custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, node_id),
    ).launch()
    return info.execution_id if info else None
