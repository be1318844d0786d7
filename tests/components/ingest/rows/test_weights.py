"""Tests of the column with the weight of a row, of a token or of an event."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from components.inference.rows.questions import Questions
from components.ingest.errors import RowError
from components.ingest.rows.assignment import Assignment
from components.ingest.rows.columns import RowReader, columns_read, row_hash, row_to_columns
from components.ingest.spec import DataSpec
from tests.components.ingest.events.test_token_features_of_events import grouped

LABELLED = {
    "shape": "labelled",
    "source": {"kind": "jsonl", "path": "rows.jsonl"},
    "inputs": ["viewed"],
    "label": "bought",
    "tokenizer": "none",
    "weight": "w",
    "missing": ["NA"],
}
SEQUENCE = {key: value for key, value in LABELLED.items() if key != "label"} | {"shape": "sequence"}


def spec(base: dict[str, Any] = LABELLED, **changes: Any) -> DataSpec:
    return DataSpec.model_validate({**base, **changes})


def weights(value: Any, data: DataSpec, tokens: Any = "a") -> list[float]:
    return RowReader(data)({"viewed": tokens, "bought": "b", "w": value})["w"]  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("value", "weight"),
    [(2, 2.0), ("0", 0.0), (0.25, 0.25), ("1e-3", 0.001), (None, 1.0), ("", 1.0), ("NA", 1.0), ([3], 3.0), (True, 1.0)],
)
def test_a_weight_is_a_number_and_1_if_it_is_missing(value: Any, weight: float) -> None:
    assert weights(value, spec()) == [weight]
    assert weights(value, spec(SEQUENCE), ["a", "b", "c"]) == [weight] * 3


@pytest.mark.parametrize("value", [-1, "-0.5", math.nan, "nan", math.inf, "-inf", "heavy", 1e39, [1, 2]])
def test_no_other_value_is_a_weight(value: Any) -> None:
    with pytest.raises(RowError, match="'w' holds"):
        weights(value, spec())
    with pytest.raises(RowError, match="'w' holds"):
        weights(value, spec(SEQUENCE), ["a", "b", "c"])


def test_the_tokens_of_a_sequence_may_have_weights_of_their_own() -> None:
    assert weights([1, None, 0], spec(SEQUENCE), ["a", "b", "c"]) == [1, 1, 0]
    assert weights("2||0.5", spec(SEQUENCE, separator="|"), "a|b|c") == [2, 1, 0.5]
    with pytest.raises(RowError, match="'w' holds 2 values, and column 'viewed' 3 tokens"):
        weights([1, 2], spec(SEQUENCE), ["a", "b", "c"])
    with pytest.raises(RowError, match="tokenizer: none one for each token"):
        weights([1, 2], spec(SEQUENCE, tokenizer="words"), "two words")
    assert weights(3, spec(SEQUENCE, tokenizer="words"), "two words") == [3, 3]


def test_the_weights_of_a_split_are_those_of_its_tokens() -> None:
    data = spec(SEQUENCE, splits={"leave_out": 1})
    row = {"viewed": ["a", "b", "c", "d"], "w": [1, 2, 3, 4]}
    parts = Assignment(data)(row, RowReader(data)(row), b"")
    assert [(part.split, part.columns["w"]) for part in parts] == [
        ("train", [1, 2]), ("eval", [1, 2, 3]), ("test", [1, 2, 3, 4]),
    ]  # fmt: skip


def test_the_weight_does_not_move_a_row_to_another_split() -> None:
    def of(weight: float) -> bytes:
        row = {"viewed": "a", "bought": "b", "w": weight}
        return row_hash(RowReader(spec())(row), spec(), row)

    assert of(1) == of(7)


def test_an_event_has_a_weight_that_its_tokens_keep() -> None:
    events = [
        {"user": "u", "time": 2, "item": ["b", "c"], "w": 0.5},
        {"user": "u", "time": 1, "item": "a", "w": 3},
        {"user": "u", "time": 3, "item": "d"},
        {"user": "u", "time": 4, "item": "e", "w": -1},
    ]
    rows, faults = grouped(events, weight="w", token_features={})
    assert [(row["item"], row["w"]) for row in rows] == [(["a", "b", "c", "d"], [3, 0.5, 0.5, 1])]
    assert faults == ["column 'w' holds -1, and a weight is a number of at least 0; an empty value counts as 1"]


def test_rows_to_predict_from_have_no_weight() -> None:
    assert row_to_columns({"viewed": "a", "w": -1}, spec()) == {"viewed": ["a"]}
    (question,) = Questions(spec(), pytest.fail).of_rows([{"viewed": "a", "w": "?"}])
    assert question.example is not None
    assert b"bought" not in question.example
    assert b"w" not in columns_read(spec(weight=None))
    (labelled,) = Questions(spec(), pytest.fail, labelled=True).of_rows([{"viewed": "a", "bought": "b"}])
    assert labelled.example is not None, "without a column of weights, a row counts with weight 1"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight": "bought"}, "data.weight: column 'bought' is also the label"),
        ({"weight": "viewed"}, "is also an input"),
        ({"features": {"w": {"kind": "number"}}}, "column 'w' is also a feature"),
        ({"targets": {"w": {"kind": "number"}}}, "is also a target"),
        ({"slices": ["w"]}, "is also a slice"),
        ({"token_features": {"w": {"kind": "number"}}}, "is also a token feature"),
        ({"weight": ""}, "name is empty"),
        ({"weight": "bigvocab/w"}, "pipeline's own"),
    ],
)
def test_a_column_with_another_role_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        spec(**changes)
