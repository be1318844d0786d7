"""TFX component of the BulkInferrer node."""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts

from components.inference.driver import Driver
from components.inference.executor import BulkInferrerExecutor
from components.inference.spec import InferenceSpec
from components.ingest.spec import DataSpec


class BulkInferrerSpec(component_spec.ComponentSpec):
    """Interface of the node."""

    PARAMETERS = {
        "inference": component_spec.ExecutionParameter(type=str),
        "data": component_spec.ExecutionParameter(type=str),
        "code": component_spec.ExecutionParameter(type=str),
    }
    INPUTS = {"pushed_model": component_spec.ChannelParameter(type=standard_artifacts.PushedModel)}
    OUTPUTS = {"inference_result": component_spec.ChannelParameter(type=standard_artifacts.InferenceResult)}


class BulkInferrer(base_component.BaseComponent):
    """Component that writes the answers of the pushed model for files of rows.

    TFX's BulkInferrer reads tf.Examples, and writes the tensors of the model.

    Outputs:
        inference_result: `answers-N-of-M.jsonl` in the order of the rows, `errors-N-of-M.jsonl`, `inference.json`.
    """

    SPEC_CLASS = BulkInferrerSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(BulkInferrerExecutor)
    DRIVER_CLASS = Driver

    def __init__(self, pushed_model: types.BaseChannel, inference: InferenceSpec, data: DataSpec, code: str) -> None:
        """Create the component.

        Args:
            pushed_model: Channel `pushed_model` of the Pusher.
            inference: Specification of the rows, and of the form of the answers.
            data: Specification of the columns. The options of its source apply to files of the same kind.
            code: Fingerprint of the code. Changed code invalidates the cache.
        """
        super().__init__(
            BulkInferrerSpec(
                pushed_model=pushed_model,
                inference=inference.model_dump_json(),
                data=data.model_dump_json(),
                code=code,
                inference_result=types.Channel(type=standard_artifacts.InferenceResult),
            )
        )
