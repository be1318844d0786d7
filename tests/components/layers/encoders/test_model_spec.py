"""Tests of the kinds of encoders in a configuration."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from components.layers.encoders.shared_projection.spec import SharedProjectionSpec
from components.training.spec import TrainerSpec


def test_without_a_kind_it_is_the_default() -> None:
    assert TrainerSpec().model == SharedProjectionSpec()
    assert TrainerSpec.model_validate({"model": {"context": 3}}).model == SharedProjectionSpec(context=3)


@pytest.mark.parametrize("kind", ["shared_projection", "ten_inputs", "shared_submodel", "recurrent", "transformer"])
def test_every_kind_has_defaults_and_comes_back_from_json(kind: str) -> None:
    spec = TrainerSpec.model_validate({"model": {"kind": kind}})
    assert spec.model.kind == kind
    assert TrainerSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize(
    "model",
    [
        {"kind": "recurent"},
        {"kind": "ten_inputs", "units": 3},
        {"units": 3},
        {"kind": "recurrent", "cell": "rnn"},
        {"kind": "transformer", "num_heads": 3},
        {"kind": "transformer", "embedding": 12},
    ],
)
def test_what_a_kind_has_not_is_refused(model: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TrainerSpec.model_validate({"model": model})


def test_only_a_function_of_ones_own_has_source_modules() -> None:
    def modules(submodel: object) -> tuple[str, ...]:
        model = {"kind": "shared_submodel", "submodel": submodel}
        return TrainerSpec.model_validate({"model": model}).model.source_modules

    assert modules("os.path:join") == ("os.path",)
    assert modules([{"Flatten": {}}]) == ()
    assert TrainerSpec().model.source_modules == ()
