"""Tests of the selection of the model with which a candidate is compared."""

from __future__ import annotations

from typing import Any

import pytest
from tfx.types import standard_artifacts

from components.evaluation.last_blessed import LastBlessedModel


def model(number: int) -> Any:
    artifact = standard_artifacts.Model()
    artifact.id = number
    return artifact


def blessing(number: int, of: int, blessed: bool = True) -> Any:
    artifact = standard_artifacts.ModelBlessing()
    artifact.id = number
    artifact.set_int_custom_property("current_model_id", of)
    artifact.set_int_custom_property("blessed", int(blessed))
    return artifact


@pytest.mark.parametrize(
    ("candidate", "blessings", "expected"),
    [
        (1, [], []),
        (3, [blessing(11, 1), blessing(12, 2)], [2]),
        (3, [blessing(11, 1), blessing(12, 2, blessed=False)], [1]),
        (2, [blessing(11, 1), blessing(12, 2)], [1]),
        (1, [blessing(11, 1)], []),
    ],
    ids=["first run", "newest", "not the rejected", "not itself", "nothing but itself"],
)
def test_last_blessed_model(candidate: int, blessings: list[Any], expected: list[int]) -> None:
    models = [model(number) for number in (2, 1, 3)]
    inputs = {"model": models, "model_blessing": blessings, "candidate": [model(candidate)]}
    found = LastBlessedModel().resolve_artifacts(None, inputs)  # type: ignore[arg-type]
    assert [artifact.id for artifact in found["model"]] == expected
    of = [artifact.get_int_custom_property("current_model_id") for artifact in found["model_blessing"]]
    assert of == expected
