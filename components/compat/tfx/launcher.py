"""TFX's compiler and launcher, which convert a pipeline to a message and run one of its nodes.

Reason: TFX's public runners run a whole pipeline, or hand it to an orchestrator. BigVocab runs one node at a time, on
    one machine or in pods, and selects the node itself. A process that has lost the lease of the root must not change
    the metadata store, nor delete outputs that another process may have taken up: TFX retries a node in the same run
    under the same execution.
Versions: TFX 1.21.
Remove when: TFX has a public way to run one node of a pipeline.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.compiler import compiler
from tfx.dsl.compiler.constants import PIPELINE_RUN_ID_PARAMETER_NAME
from tfx.orchestration import metadata
from tfx.orchestration.local import runner_utils
from tfx.orchestration.portable import data_types, launcher, runtime_parameter_utils
from tfx.proto.orchestration import driver_output_pb2, execution_result_pb2, pipeline_pb2
from tfx.types.standard_component_specs import MODEL_RUN_KEY

from components.compat.tfx.channels import bounded_lookups
from components.compat.tfx.v1 import v1 as tfx
from components.files import check_fence, is_remote, remove_tree, sync_tree
from components.messages.redaction import without_secrets


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

    The outputs are on the disk before the publisher marks the execution as complete. Otherwise, after a crash of the
    machine, the cache could reuse outputs that are empty. (SQLite syncs each transaction itself.)

    Args:
        pipeline: Pipeline that is compiled for a run.
        node: Node of the pipeline.

    Returns:
        Id of the execution, or None if TFX created no execution.
    """
    deployment, node_id = runner_utils.extract_local_deployment_config(pipeline), node.node_info.id
    node_launcher = _FencedLauncher(
        pipeline_node=node,
        mlmd_connection=metadata.Metadata(connection(pipeline)),
        pipeline_info=pipeline.pipeline_info,
        pipeline_runtime_spec=pipeline.runtime_spec,
        executor_spec=runner_utils.extract_executor_spec(deployment, node_id),
        custom_driver_spec=runner_utils.extract_custom_driver_spec(deployment, node_id),
        custom_driver_operators={
            spec: _redacting(operator) for spec, operator in launcher.DEFAULT_DRIVER_OPERATORS.items()
        },
        custom_executor_operators={
            spec: _durable(operator, pipeline.runtime_spec.pipeline_root.field_value.string_value)
            for spec, operator in launcher.DEFAULT_EXECUTOR_OPERATORS.items()
        },
    )
    with bounded_lookups():
        info = node_launcher.launch()
    return info.execution_id if info else None


def _fenced(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method that first checks that this process may still write."""

    @functools.wraps(method)
    def call(*arguments: Any, **named: Any) -> Any:
        check_fence()
        return method(*arguments, **named)

    return call


class _FencedLauncher(launcher.Launcher):
    _prepare_execution = _fenced(launcher.Launcher._prepare_execution)
    _publish_successful_execution = _fenced(launcher.Launcher._publish_successful_execution)
    _publish_failed_execution = _fenced(launcher.Launcher._publish_failed_execution)
    _clean_up_stateless_execution_info = _fenced(launcher.Launcher._clean_up_stateless_execution_info)
    _clean_up_stateful_execution_info = _fenced(launcher.Launcher._clean_up_stateful_execution_info)


def _durable(operator: Any, root: str) -> Any:
    """Return a class of executor operators that sync the outputs to the disk, and keep the logs of a failed training.

    Args:
        operator: Class of executor operators.
        root: Folder of all outputs of the pipeline.
    """

    class Durable(operator):
        def run_executor(self, execution_info: data_types.ExecutionInfo) -> execution_result_pb2.ExecutorOutput:
            try:
                with without_secrets():
                    output = super().run_executor(execution_info)
                for uri in (made.uri for artifacts in execution_info.output_dict.values() for made in artifacts):
                    for left in () if is_remote(uri) else _left_over(Path(uri)):
                        remove_tree(str(left))
                    sync_tree(uri, root)
            except Exception:
                check_fence()  # After an exception, TFX deletes the outputs.
                # The logs of a training show why it failed.
                execution_info.output_dict.pop(MODEL_RUN_KEY, None)
                raise
            return output

    return Durable


def _left_over(outputs: Path) -> list[Path]:
    """Return the temporary folders of Beam, and those of TensorFlow beside its checkpoints.

    Beam only logs that it could not delete one, and TensorFlow ignores it.
    """
    beside = [index.with_name(f"{index.stem}_temp") for index in outputs.glob("**/*.index")]
    return [*outputs.glob("**/beam-temp-*/"), *(folder for folder in beside if folder.is_dir())]


def _redacting(operator: Any) -> Any:
    """Return a class of driver operators whose errors have no secrets, because TFX stores them."""

    class Redacting(operator):
        def run_driver(self, *args: Any, **kwargs: Any) -> driver_output_pb2.DriverOutput:
            with without_secrets():
                return super().run_driver(*args, **kwargs)

    return Redacting
