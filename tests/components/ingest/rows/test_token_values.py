"""Tests of the values of token features in the rows of a source."""

from __future__ import annotations

import math
from typing import Any

import pytest

from components.ingest.errors import RowError
from components.ingest.rows.assignment import Assignment
from components.ingest.rows.columns import RowReader, columns_read, row_hash, row_to_columns
from components.ingest.spec import DataSpec
from components.names import FIRST_LABEL


def spec(**changes: Any) -> DataSpec:
    return DataSpec.model_validate(
        {
            "shape": "sequence",
            "source": {"kind": "jsonl", "path": "rows.jsonl"},
            "inputs": ["items"],
            "tokenizer": "none",
            "token_features": {"kind": {"kind": "category"}, "price": {"kind": "number"}},
            **changes,
        }
    )


def test_each_token_has_its_values() -> None:
    row = {"items": ["a", "b", "c"], "kind": ["view", "buy", "view"], "price": [1, "2.5", True]}
    assert RowReader(spec())(row) == {**row, "price": [1.0, 2.5, 1.0]}


def test_a_missing_value_keeps_its_place() -> None:
    row = {"items": ["a", "b", "c"], "kind": ["view", None, "NA"], "price": [1, math.nan, "NA"]}
    columns = RowReader(spec(missing=["NA"]))(row)
    assert columns["kind"] == ["view", "", ""]
    assert columns["price"] == pytest.approx([1.0, math.nan, math.nan], nan_ok=True)


@pytest.mark.parametrize("row", [{}, {"kind": None, "price": None}, {"kind": "", "price": math.nan}])
def test_a_row_without_the_columns_has_missing_values(row: dict[str, Any]) -> None:
    columns = row_to_columns({"items": ["a", "b"], **row}, spec())
    assert columns["kind"] == ["", ""]
    assert columns["price"] == pytest.approx([math.nan, math.nan], nan_ok=True)


def test_the_values_of_a_cell() -> None:
    data = spec(separator="|", missing=["NA"])
    assert RowReader(data)({"items": "a|b|c", "kind": "x||z", "price": "[1, null, 3]"}) == {
        "items": ["a", "b", "c"],
        "kind": ["x", "", "z"],
        "price": pytest.approx([1, math.nan, 3], nan_ok=True),
    }
    assert RowReader(data)({"items": "a|b", "kind": "NA", "price": "1|2"})["kind"] == ["", ""]
    assert row_to_columns({"items": "a", "kind": "x", "price": 3}, data) == {
        "items": ["a"],
        "kind": ["x"],
        "price": [3],
    }


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (
            {"kind": ["x"], "price": [1, 2]},
            "column 'kind' holds 1 values, and column 'items' 2 tokens: write one value for each token, in the same "
            "order",
        ),
        ({"kind": ["x", "y"], "price": [1, 2, 3]}, "column 'price' holds 3 values, and column 'items' 2 tokens"),
        ({"kind": [], "price": [1, 2]}, "column 'kind' holds 0 values, and column 'items' 2 tokens"),
        ({"kind": "x", "price": [1, 2]}, "column 'kind' holds 1 values, and column 'items' 2 tokens"),
        ({"kind": [["x", "y"], "z"], "price": [1, 2]}, "column 'kind' holds a list where one value belongs"),
        ({"kind": ["x", "y"], "price": [1, "cheap"]}, "column 'price' holds 'cheap'"),
    ],
)
def test_a_row_with_other_values_is_bad(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(RowError) as error:
        RowReader(spec())({"items": ["a", "b"], **row})
    assert reason in str(error.value)


def test_positions_in_several_splits_keep_only_the_values_of_their_tokens() -> None:
    data = spec(splits={"leave_out": 1})
    row = {"items": list("abcd"), "kind": list("wxyz"), "price": [1, 2, 3, 4]}
    columns = RowReader(data)(row)
    parts = Assignment(data)(row, columns, row_hash(columns, data, row))
    assert [part.split for part in parts] == ["train", "eval", "test"]
    for part in parts:
        length = len(part.columns["items"])
        assert {name: part.columns[name] for name in row} == {name: values[:length] for name, values in row.items()}
    assert [part.columns[FIRST_LABEL] for part in parts] == [[1], [2], [3]]


def test_the_values_count_for_the_split_of_a_labelled_row() -> None:
    data = spec(shape="labelled", label="bought")
    rows = [{"items": ["a"], "kind": [kind], "price": [1], "bought": "b"} for kind in "xy"]
    hashes = {row_hash(RowReader(data)(row), data, row) for row in rows}
    assert len(hashes) == 2


def test_elapsed_is_read_from_rows_of_lists_alone() -> None:
    data = spec(shape="events", group_by="user", order_by="time", token_features={"seconds": {"kind": "elapsed"}})
    assert "seconds" not in columns_read(data)
    lists = data.model_copy(update={"group_by": [], "order_by": None})
    assert "seconds" in columns_read(lists)
    assert RowReader(lists, labelled=False)({"items": ["a", "b"], "seconds": [0, 5]})["seconds"] == [0.0, 5.0]
