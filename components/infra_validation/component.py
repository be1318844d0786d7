"""The InfraValidator node."""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import component_spec, standard_artifacts, standard_component_specs

from components.infra_validation.executor import InfraValidatorExecutor


class InfraValidatorSpec(component_spec.ComponentSpec):
    """Inputs and outputs of TFX's InfraValidator, with another parameter."""

    INPUTS = standard_component_specs.InfraValidatorSpec.INPUTS
    OUTPUTS = standard_component_specs.InfraValidatorSpec.OUTPUTS
    PARAMETERS = {"code": component_spec.ExecutionParameter(type=str)}


class InfraValidator(base_component.BaseComponent):
    """Node in the place of TFX's InfraValidator: it loads a model as TensorFlow Serving does, and asks it rows."""

    SPEC_CLASS = InfraValidatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(InfraValidatorExecutor)


def infra_validator(model: types.BaseChannel, examples: types.BaseChannel, code: str) -> InfraValidator:
    """Return the node, whose output is `blessing` (InfraBlessing).

    Args:
        model: The Trainer's `model`.
        examples: Raw rows, with the split test.
        code: Fingerprint of the code, so that changed code is no cache hit.
    """
    blessing = types.Channel(type=standard_artifacts.InfraBlessing)
    return InfraValidator(InfraValidatorSpec(model=model, examples=examples, blessing=blessing, code=code))
