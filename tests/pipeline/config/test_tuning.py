"""Tests of the section `tuner`, of its place in the DAG, and of its pods."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline import dag
from pipeline.config.errors import ConfigurationError
from pipeline.config.loading import load
from pipeline.paths import Paths


def with_space(space: dict[str, Any]) -> str:
    return f"tuner.space={json.dumps(space)}"


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"trainer.learning_rte": {"low": 0.1, "high": 0.2}}, "did you mean 'learning_rate'?"),
        ({"trainer.model.hiden": {"choices": [1, 2]}}, "did you mean 'hidden'?"),
        ({"data.share": {"low": 0.1, "high": 0.2}}, "'data.share' is not below 'trainer'"),
        ({"trainer.batch": {"low": 0, "high": 3}}, "'trainer.batch' cannot be 0: Input should be greater"),
        (
            {"trainer.model.kind": {"choices": ["recurrent", "session"]}},
            "cannot be 'recurrent': ordered_ids: Extra inputs",
        ),
        ({"trainer.model.tie": {"choices": [True, False]}}, "cannot be True: tie: the class vectors are the token"),
        ({"trainer.seed": {"choices": [1, 2]}}, "does not change how good a model is"),
    ],
)
def test_a_range_with_a_wrong_key_or_value_is_refused(space: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(settings=[with_space(space)])
    assert message in str(refused.value)


def test_a_search_cannot_change_the_vocabularies() -> None:
    space = with_space({"trainer.model.tie": {"choices": [True, False]}})
    with pytest.raises(ConfigurationError, match="it would change the vocabularies, which are counted before"):
        load(settings=[space, "trainer.model.hidden=128"])


def test_all_wrong_ranges_are_named_at_once() -> None:
    wrong = {"trainer.batch": {"low": 0, "high": 3}, "trainer.epochs": {"low": -1, "high": 3}}
    with pytest.raises(ConfigurationError, match=r"(?s)trainer.batch.*trainer.epochs"):
        load(settings=[with_space(wrong)])


def test_the_trainer_takes_the_values_of_the_search(tmp_path: Path) -> None:
    paths = Paths.of(tmp_path)
    for settings, producer, key in (([], "Defaults", "choices"), (["tuner={}"], "Tuner", "best_hyperparameters")):
        nodes = {node.id: node for node in dag.build(load(settings=settings), paths).components}
        channel = nodes["Trainer"].inputs["hyperparameters"]
        assert (channel.producer_component_id, channel.output_key) == (producer, key)
        assert ("Tuner" in nodes) is bool(settings)


def test_the_budget_is_no_part_of_the_training() -> None:
    """A longer search must not change the cache key of the nodes before it."""
    short, long = (load(settings=[f"tuner.time={time}"]) for time in ("1m", "2h"))
    assert short.trainer == long.trainer
    assert short.tuner != long.tuner
