"""Tests of the hyperparameters of a training."""

from __future__ import annotations

from components.training.board.hyperparameters import flattened
from components.training.spec import WITHOUT_EFFECT, TrainerSpec


def test_nested_keys_are_dotted_and_keys_without_a_value_are_left_out() -> None:
    config = {"a": {"b": 1, "c": {"d": False}, "none": None, "empty": {}}, "e": [1, "x"], "f": 0.0, "g": ""}
    assert flattened(config) == {"a.b": 1, "a.c.d": False, "e": '[1, "x"]', "f": 0.0, "g": ""}


def test_the_hyperparameters_of_a_training_have_plain_values() -> None:
    found = flattened(TrainerSpec().model_dump(exclude=set(WITHOUT_EFFECT)))
    assert {"learning_rate", "batch", "model.kind", "head.negatives", "optimizer.beta_1", "seed"} <= found.keys()
    assert not WITHOUT_EFFECT & found.keys()
    assert TrainerSpec.model_fields.keys() >= WITHOUT_EFFECT
