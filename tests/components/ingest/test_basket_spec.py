"""Tests of `data.baskets`: faults of the configuration, and of rows."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from components.ingest.errors import RowError, ShortRow
from components.ingest.rows.assignment import Assignment, split_rule
from components.ingest.rows.columns import RowReader, columns_read
from components.ingest.rows.times import Boundaries
from components.ingest.spec import DataSpec
from components.names import FIRST_LABEL

ROWS: dict[str, Any] = {
    "shape": "sequence",
    "source": {"kind": "jsonl", "path": "rows.jsonl"},
    "inputs": ["items"],
    "tokenizer": "none",
    "baskets": "dates",
}
EVENTS = {**ROWS, "shape": "events", "group_by": "user", "order_by": "time"}
LABELLED = {**ROWS, "shape": "labelled", "label": "bought"}


def spec(**changes: Any) -> DataSpec:
    return DataSpec.model_validate({**ROWS, **changes})


def test_the_label_of_baskets_is_a_set() -> None:
    for data in (spec(), DataSpec.model_validate(EVENTS), DataSpec.model_validate_json(spec().model_dump_json())):
        assert data.label_kind == "classes"
        assert data.token_columns == {"dates": True}
        assert "dates" in columns_read(data)


@pytest.mark.parametrize(
    ("data", "faults"),
    [
        (LABELLED, ["data.baskets is for the shapes 'sequence' and 'events'"]),
        ({**ROWS, "tokenizer": "words"}, ["data.baskets: tokenizer 'words' splits a text into tokens"]),
        ({**ROWS, "label_kind": "class"}, ["data.label_kind 'class': the label of data.baskets is a set of tokens"]),
        ({**ROWS, "targets": {"age": {"kind": "number"}}}, ["data.targets: rows of baskets have no further targets"]),
        ({**ROWS, "inputs": ["dates"]}, ["data.baskets: column 'dates' is the input"]),
        ({**ROWS, "slices": ["dates"]}, ["column 'dates' is a slice: copy the column"]),
        ({**ROWS, "token_features": {"dates": {"kind": "category"}}}, ["column 'dates' is a token feature"]),
        ({**EVENTS, "group_by": "dates"}, ["column 'dates' decides about a row"]),
        ({**ROWS, "baskets": None, "min_baskets": 3}, ["data.min_baskets needs data.baskets"]),
        ({**ROWS, "splits": {"eval_share": 0.5}}, ["eval_share needs leave_out"]),
        (
            {**ROWS, "tokenizer": "words", "label_kind": "number", "slices": ["dates"]},
            ["splits a text into tokens", "data.label_kind 'number'", "is a slice"],
        ),
    ],
)
def test_all_faults_at_once(data: dict[str, Any], faults: list[str]) -> None:
    with pytest.raises(ValidationError) as error:
        DataSpec.model_validate(data)
    for fault in faults:
        assert fault in str(error.value)


def test_rows_need_a_basket_for_each_token_and_enough_baskets() -> None:
    read = RowReader(spec(min_baskets=3))
    row = {"items": ["a", "b", "c", "a"], "dates": [1, 1, 2, 3]}
    assert read(row) == {"items": ["a", "b", "c", "a"], "dates": ["1", "1", "2", "3"]}
    with pytest.raises(ShortRow, match="2 baskets, data.min_baskets is 3"):
        read({**row, "dates": [1, 1, 2, 2]})
    with pytest.raises(RowError) as error:
        read({**row, "dates": [1, None, 2, 3]})
    assert "column 'dates' has no value for a token" in error.value.reason
    with pytest.raises(RowError) as error:
        read({**row, "dates": [1, 2, 3]})
    assert "column 'dates' holds 3 values, and column 'items' 4 tokens" in error.value.reason
    # Rows to predict from need neither.
    assert RowReader(spec(), labelled=False)({"items": ["a", "b"]}) == {"items": ["a", "b"], "dates": ["", ""]}


def parts(data: DataSpec, dates: list[int], key: int = 0, boundaries: Boundaries | None = None) -> dict[str, Any]:
    """Return the tokens, the position of the first label and the number of labels of each split."""
    columns: Any = {"items": [f"i{n}" for n in range(len(dates))], "dates": [str(date) for date in dates]}
    found = Assignment(data, boundaries)({"dates": dates}, columns, key.to_bytes(16, "big"))
    for part in found:
        assert len(part.columns["dates"]) == len(part.columns["items"])
    return {p.split: (len(p.columns["items"]), *p.columns.get(FIRST_LABEL, ()), p.labels) for p in found}


def test_leave_out_leaves_whole_baskets_out() -> None:
    data = spec(splits={"leave_out": 1})
    assert parts(data, [1, 1, 2, 3, 3, 3, 4, 4]) == {"train": (3, 2, 1), "eval": (6, 3, 1), "test": (8, 6, 1)}
    assert parts(data, [1, 2, 2]) == {"test": (3, 1, 1)}
    assert "the last basket is test, the basket before eval, and" in split_rule(data)


def test_eval_share_leaves_more_baskets_to_train_on() -> None:
    data, dates = spec(splits={"leave_out": 1, "eval_share": 0.25}), [1, 2, 2, 3, 4]
    evaluated = {"train": (3, 1, 1), "eval": (4, 3, 1), "test": (5, 4, 1)}
    assert parts(data, dates, 0) == parts(data, dates, (1 << 126) - 1) == evaluated
    assert parts(data, dates, 1 << 126) == {"train": (4, 1, 2), "test": (5, 4, 1)}
    assert "the basket before eval (in 25% of the rows, otherwise train)" in split_rule(data)


def test_a_split_by_time_keeps_a_basket_together() -> None:
    data = spec(splits={"by_time": "dates", "eval": 1, "test": 1})
    assert parts(data, [1, 1, 2, 3, 3], boundaries=Boundaries((1, 2), "")) == {"eval": (3, 2, 1), "test": (5, 3, 1)}
    # A basket belongs to the split of its last token.
    data = spec(splits={"by_time": "times", "eval": 1, "test": 1})
    columns: Any = {"items": ["a", "b", "c", "d"], "dates": ["x", "y", "y", "z"]}
    found = Assignment(data, Boundaries((2, 3), ""))({"times": [1, 2, 3, 4]}, columns, bytes(16))
    assert [(part.split, len(part.columns["items"])) for part in found] == [("eval", 3), ("test", 4)]
