"""Tests of the allowed column names."""

from __future__ import annotations

from typing import Any

import pytest

from components.ingest.spec import DataSpec


def spec(features: list[str], **more: Any) -> DataSpec:
    whole: dict[str, Any] = {"shape": "labelled", "source": {"kind": "sotu"}, "inputs": ["a"], "label": "b"}
    return DataSpec.model_validate({**whole, "features": {n: {"kind": "number"} for n in features}, **more})


def test_names_of_the_pipelines_own_are_free() -> None:
    names = ["input_ids", "label_ids", "label_value", "inputs", "labels", "label", "probabilities", "values", "count",
             "class", "Os", "os", "a/c", "größe", "Viewed Item (cm)", "x" * 300]  # fmt: skip
    assert list(spec(names, slices=["nll", "rank"], targets={"label_ids ": {"kind": "number"}}).features) == names


def test_inputs_and_the_label_have_any_name_too() -> None:
    found = spec(["input_ids"], inputs=["label", "labels", "Viewed Item (cm)"], label="Bought it", tokenizer="none")
    assert found.inputs == ["label", "labels", "Viewed Item (cm)"]


def test_all_names_that_cannot_be_are_said_at_once() -> None:
    with pytest.raises(ValueError, match="pipeline's own") as caught:
        spec(["user-os", "user.os", "user os", "self"], slices=["bigvocab/baseline/popular", ""])
    said = str(caught.value)
    assert "columns 'user-os' and 'user.os' are one argument, 'user_os'" in said
    assert "columns 'user-os' and 'user os' are one argument, 'user_os'" in said
    assert "column 'self' cannot be an argument" in said
    assert "column 'bigvocab/baseline/popular': names that begin with 'bigvocab/'" in said
    assert "a column's name is empty" in said


def test_an_answer_has_each_name_once() -> None:
    with pytest.raises(ValueError, match="has an output 'labels' already"):
        spec([], targets={"labels": {"kind": "number"}})
    with pytest.raises(ValueError, match="has an output 'party_probability' already"):
        spec([], targets={"party": {"kind": "category"}, "party_probability": {"kind": "number"}})
