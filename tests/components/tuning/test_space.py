"""Tests of the values that a search tries."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.choices import merged
from components.training.spec import TrainerSpec
from components.tuning.space import configured, default_space, parameters, tree, values_of
from components.tuning.spec import RangeSpec, TunerSpec
from components.tuning.words import words
from tests.drawing import drawn

ENCODERS: list[dict[str, Any]] = [
    {},
    {"kind": "ten_inputs"},
    {"kind": "shared_submodel"},
    {"kind": "recurrent"},
    {"kind": "transformer"},
    {"kind": "session"},
    {"kind": "session", "tie": True},
    {"embedding": 9, "hidden": 12},
]


@pytest.mark.parametrize("model", ENCODERS, ids=str)
def test_the_default_space_holds_the_configuration_and_only_valid_values(model: dict[str, Any]) -> None:
    trainer = TrainerSpec.model_validate({"model": model})
    space = default_space(trainer)
    assert "trainer.learning_rate" in space
    assert configured(trainer, space).keys() == space.keys()
    keys = trainer.model_dump(mode="json", exclude_unset=True)
    for key, values in space.items():
        for value in values.ends:
            TrainerSpec.model_validate(merged(keys, tree({key: value})))


def test_the_widths_of_a_tied_model_stay() -> None:
    space = default_space(TrainerSpec.model_validate({"model": {"kind": "session", "tie": True}}))
    assert not space.keys() & {"trainer.model.hidden", "trainer.model.embedding"}


def test_a_tree_has_the_keys_below_trainer() -> None:
    assert tree({"trainer.model.hidden": 64, "trainer.model.dropout": 0.1, "trainer.batch": 256}) == {
        "model": {"hidden": 64, "dropout": 0.1},
        "batch": 256,
    }


def test_a_value_outside_its_range_is_not_configured() -> None:
    space = {"trainer.learning_rate": RangeSpec(low=0.1, high=0.2), "trainer.batch": RangeSpec(choices=[512, 1024])}
    assert configured(TrainerSpec(), space) == {"trainer.batch": 1024}


@drawn()
@given(st.lists(st.one_of(st.none(), st.booleans(), st.text(), st.lists(st.integers())), min_size=2, unique_by=repr))
def test_choices_of_any_kind_come_back(choices: list[Any]) -> None:
    space = {"trainer.x": RangeSpec(choices=choices)}
    for choice in choices:
        found = values_of(parameters({"trainer.x": choice}, space), space)["trainer.x"]
        assert found == choice


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "set both 'low' and 'high', or 'choices'"),
        ({"low": 1}, "set both 'low' and 'high', or 'choices'"),
        ({"low": 2, "high": 2}, "'low' must be below 'high'"),
        ({"low": 0, "high": 2, "log": True}, "'log' needs positive values"),
        ({"low": 0, "high": 2, "choices": [1, 2]}, "'choices' takes neither"),
        ({"choices": [1]}, "at least 2 items"),
    ],
)
def test_a_range_has_one_form(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TunerSpec.model_validate({"space": {"trainer.batch": wrong}})


def test_words_are_unique() -> None:
    values = {"trainer.learning_rate": 0.0061234, "trainer.model.dropout": 0.5, "trainer.head.dropout": None}
    assert words(values) == "learning_rate 0.00612, trainer.model.dropout 0.5, trainer.head.dropout none"
