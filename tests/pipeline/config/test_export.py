"""Tests of `trainer.approximate` and `trainer.class_table` in a configuration."""

from __future__ import annotations

import pytest

from pipeline.config.errors import ConfigurationError
from pipeline.config.loading import load


def test_answers_are_approximate_above_a_number_of_classes() -> None:
    trainer = load("shared_projection").trainer
    assert trainer.approximate is not None
    assert trainer.approximate.above == 100_000
    assert trainer.class_table == "float32"
    assert load("shared_projection", ["trainer.approximate=null"]).trainer.approximate is None


@pytest.mark.parametrize(
    ("preset", "settings", "fault"),
    [
        ("shared_projection", ["trainer.head.mixture=ngrams"], "trainer.approximate: the counts"),
        ("next_basket", ["trainer.head.repeats=true"], "trainer.approximate: no cluster knows the bonus"),
        ("sequence_regression", ["trainer.class_table=int8"], "trainer.class_table: the label is a number"),
        ("sequence_regression", [], "trainer.approximate: the label is a number"),
    ],
)
def test_a_model_that_cannot_be_searched_is_refused(preset: str, settings: list[str], fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault):
        load(preset, [*settings, "trainer.approximate={above: 10}"])
