"""Tests of the forms of the loss in a configuration."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from components.layers.forms.build import build_form
from components.layers.forms.spec import BuiltInHeadSpec
from components.layers.mixture.spec import NgramMixtureSpec
from components.training.spec import TrainerSpec

MODULE = """
from components.layers.forms.base import Form
from components.layers.forms.own import Own
from components.layers.forms.spec import HeadSpec


class SharpSpec(HeadSpec):
    power: float
    share: float = 0.5


class Sharp(Own):
    Spec = SharpSpec

    def __init__(self, power, share):
        self.power, self.share = power, share


class Plain(Own):
    pass


class NoLosses(Form):
    pass


class NoSpec(Own):
    Spec = dict


class Without(Own):
    Spec = SharpSpec

    def __init__(self, power):
        pass


class Other:
    pass
"""


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "made_up_losses.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("made_up_losses", None)


def trainer(**head: Any) -> TrainerSpec:
    return TrainerSpec.model_validate({"head": head})


@pytest.mark.parametrize(
    "head", [{}, {"negatives": 3}, {"form": "shared"}, {"form": "full", "logits_dtype": "bfloat16"}]
)
def test_a_form_of_ours_is_its_name(head: dict[str, Any]) -> None:
    spec = trainer(**head)
    assert spec.head == BuiltInHeadSpec(**head)
    assert build_form(spec.head) == head.get("form", "auto")
    assert spec.head.source_modules == ()
    assert TrainerSpec.model_validate_json(spec.model_dump_json()) == spec


def test_a_form_of_ones_own_takes_its_keys() -> None:
    spec = trainer(form="made_up_losses:Sharp", power=2, negatives=7)
    assert spec.head.negatives == 7
    assert spec.head.source_modules == ("made_up_losses",)
    text = spec.model_dump_json()
    # As in a process that has not imported the module yet.
    del sys.modules["made_up_losses"]
    form: Any = build_form(TrainerSpec.model_validate_json(text).head)
    assert type(form).__name__ == "Sharp"
    assert (form.power, form.share) == (2.0, 0.5)


def test_a_form_without_keys_of_its_own_needs_no_spec() -> None:
    spec = trainer(form="made_up_losses:Plain", negatives=7)
    assert type(build_form(spec.head)).__name__ == "Plain"
    assert TrainerSpec.model_validate_json(spec.model_dump_json()) == spec


@pytest.mark.parametrize(
    ("head", "key", "fault"),
    [
        ({"form": "Shared"}, "form", "Input should be 'auto', 'shared', 'own' or 'full'"),
        ({"form": "own", "power": 2}, "power", "Extra inputs are not permitted"),
        ({"form": "made_up_losses:Plain", "power": 2}, "power", "Extra inputs are not permitted"),
        ({"form": "made_up_losses:Sharp"}, "power", "Field required"),
        ({"form": "made_up_losses:Sharp", "power": "x"}, "power", "Input should be a valid number"),
        ({"form": "made_up_losses:Sharp", "power": 1, "negatives": 0}, "negatives", "Input should be greater than or"),
        ({"form": "made_up_losses:Shrp"}, "form", "made_up_losses has no class 'Shrp'; did you mean 'Sharp'?"),
        ({"form": "made_up_loses:Sharp"}, "form", "No module named 'made_up_loses'; the module has to be installed"),
        ({"form": "made_up_losses:Other"}, "form", "Other is not derived from components.layers.forms.base.Form"),
        ({"form": "made_up_losses:NoLosses"}, "form", "NoLosses has no losses()"),
        (
            {"form": "made_up_losses:NoSpec"},
            "form",
            "NoSpec.Spec is not derived from components.layers.forms.spec.Head",
        ),
        (
            {"form": "made_up_losses:Without", "power": 1},
            "form",
            "Without does not take the keys of its Spec: got an unexpected keyword argument 'share'",
        ),
    ],
)
def test_each_fault_is_reported_at_its_key(head: dict[str, Any], key: str, fault: str) -> None:
    with pytest.raises(ValidationError) as error:
        trainer(**head)
    (found,) = error.value.errors()
    assert found["loc"] == ("head", key)
    assert re.match(re.escape(fault), found["msg"].removeprefix("Value error, "))


def test_a_mixture_has_a_short_form() -> None:
    def mixture(value: Any) -> Any:
        return TrainerSpec.model_validate({"head": {"mixture": value}}).head.mixture

    assert mixture("ngrams") == mixture({"kind": "ngrams"}) == NgramMixtureSpec()
    assert mixture("none") is mixture(None) is TrainerSpec().head.mixture is None
    assert (
        TrainerSpec.model_validate_json(
            TrainerSpec.model_validate({"head": {"mixture": "ngrams"}}).model_dump_json()
        ).head.mixture
        == NgramMixtureSpec()
    )
