"""TFX's compiler and launcher, which convert a pipeline to a message and run one of its nodes.

Reason: TFX's public runners run a whole pipeline, or hand it to an orchestrator. BigVocab runs one node at a time, on
    one machine or in pods, and selects the node itself.
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
    """Return the intermediate representation of a pipeline, which is a message of TFX.

    Args:
        pipeline: Pipeline to compile.
        run_id: Id of the run to compile for; None for no run.
    """
    ir = compiler.Compiler().compile(pipeline)
    if run_id is not None:
        runtime_parameter_utils.substitute_runtime_parameter(ir, {PIPELINE_RUN_ID_PARAMETER_NAME: run_id})
    return ir


def connection(pipeline: pipeline_pb2.Pipeline) -> metadata_store_pb2.ConnectionConfig:
    """Return the configuration of the connection to a compiled pipeline's metadata store."""
    chosen = runner_utils.extract_local_deployment_config(pipeline).metadata_connection_config
    return getattr(chosen, chosen.WhichOneof("connection_config"))


def launch(pipeline: pipeline_pb2.Pipeline, node: pipeline_pb2.PipelineNode) -> int | None:
    """Run a node: its driver, the cache, its executor and its publisher.

    Args:
        pipeline: Pipeline that is compiled for a run.
        node: Node of the pipeline.

    Returns:
        Id of the execution, or None if TFX created no execution.
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
