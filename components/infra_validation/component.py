"""The InfraValidator node."""

from __future__ import annotations

from typing import Any, ClassVar

from tfx import types
from tfx.components.infra_validator import component as tfx_component
from tfx.dsl.components.base import base_component, executor_spec
from tfx.proto import infra_validator_pb2
from tfx.types import component_spec, standard_artifacts, standard_component_specs

from components.infra_validation.executor import Executor

# A blessing needs one named binary: TFX blesses unseen when the list of tags is empty.
_BINARY = "child-process"
_MODEL_NAME = "bigvocab"


class InfraValidatorSpec(standard_component_specs.InfraValidatorSpec):
    """TFX's, and the fingerprint of the code, so that changed code is no cache hit."""

    PARAMETERS: ClassVar = {
        **standard_component_specs.InfraValidatorSpec.PARAMETERS,
        "code": component_spec.ExecutionParameter(type=str),
    }


class InfraValidator(tfx_component.InfraValidator):
    """TFX's InfraValidator with the executor of this package."""

    SPEC_CLASS = InfraValidatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(self, spec: InfraValidatorSpec) -> None:
        # TFX's own __init__ builds a spec of a fixed class.
        base_component.BaseComponent.__init__(self, spec=spec)


def infra_validator(
    model: types.BaseChannel,
    examples: types.BaseChannel,
    code: str,
    *,
    split: str = "test",
    rows: int = 10,
    loading_seconds: int = 120,
    tries: int = 2,
) -> InfraValidator:
    """The node that loads the exported model as TensorFlow Serving does and asks it real rows.

    Args:
        model: the Trainer's `model`.
        examples: the ExampleGen's `examples`: raw rows.
        code: fingerprint of the code.
        split: the split whose rows are asked.
        rows: how many, at most.
        loading_seconds: start of the server and loading of the model take at most this long.
        tries: attempts before the model is refused.

    Returns:
        A node with the output `blessing` (InfraBlessing).
    """
    request: dict[str, Any] = {"signature_names": ["serving_default", "predict"]}
    return InfraValidator(
        InfraValidatorSpec(
            model=model,
            examples=examples,
            blessing=types.Channel(type=standard_artifacts.InfraBlessing),
            serving_spec=infra_validator_pb2.ServingSpec(
                tensorflow_serving=infra_validator_pb2.TensorFlowServing(tags=[_BINARY]), model_name=_MODEL_NAME
            ),
            validation_spec=infra_validator_pb2.ValidationSpec(
                max_loading_time_seconds=loading_seconds, num_tries=tries
            ),
            request_spec=infra_validator_pb2.RequestSpec(
                tensorflow_serving=infra_validator_pb2.TensorFlowServingRequestSpec(**request),
                split_name=split,
                num_examples=rows,
            ),
            code=code,
        )
    )
