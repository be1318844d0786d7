"""TFX component of the InfraValidator node."""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts, standard_component_specs

from components.infra_validation.executor import InfraValidatorExecutor


class InfraValidatorSpec(component_spec.ComponentSpec):
    """Interface of the node: the inputs and outputs of TFX's InfraValidator, and the parameter `code`."""

    INPUTS = standard_component_specs.InfraValidatorSpec.INPUTS
    OUTPUTS = standard_component_specs.InfraValidatorSpec.OUTPUTS
    PARAMETERS = {"code": component_spec.ExecutionParameter(type=str)}


class InfraValidator(base_component.BaseComponent):
    """Replacement of TFX's InfraValidator that loads a model as TensorFlow Serving does, and sends rows to it."""

    SPEC_CLASS = InfraValidatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(InfraValidatorExecutor)


def infra_validator(model: types.BaseChannel, examples: types.BaseChannel, code: str) -> InfraValidator:
    """Create the node.

    Args:
        model: The Trainer's `model`.
        examples: Raw rows, with the split `test`.
        code: Fingerprint of the code. Changed code misses the cache.

    Returns:
        A node with the output `blessing` (InfraBlessing).
    """
    blessing = types.Channel(type=standard_artifacts.InfraBlessing)
    return InfraValidator(InfraValidatorSpec(model=model, examples=examples, blessing=blessing, code=code))
