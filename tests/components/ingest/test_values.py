"""Tests of the conversion of values to texts and numbers."""

from __future__ import annotations

import datetime
import math
import re
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.ingest.errors import RowError, ShortRow
from components.ingest.odd_values import OddValues, columns_looked_at
from components.ingest.rows.columns import RowReader
from components.ingest.spec import DataSpec
from components.ingest.values import list_of, nested, number_of, text_of, whole
from tests.drawing import drawn

DAY = datetime.date(2024, 2, 1)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("007", "007"),
        ("123.0", "123.0"),
        (7, "7"),
        (2**53 + 1, "9007199254740993"),
        (2**64 + 1, "18446744073709551617"),
        (123.0, "123"),
        (-0.0, "0"),
        (1e22, "10000000000000000000000"),
        (0.5, "0.5"),
        (Decimal("100.00"), "100"),
        (Decimal("0.50"), "0.5"),
        (Decimal("12345678901234567890123456789012345678"), "12345678901234567890123456789012345678"),
        (Decimal("1E+3"), "1000"),
        (True, "true"),
        (DAY, "2024-02-01"),
        (datetime.datetime(2024, 2, 1, 3, 4, 5, tzinfo=datetime.UTC), "2024-02-01T03:04:05+00:00"),
        (b"gr\xc3\xb6\xc3\x9fer", "größer"),
        (None, None),
        ("", None),
        (math.nan, None),
        (np.int64(7), "7"),
        (np.float16(3.0), "3"),
        (np.float32("nan"), None),
        (np.bool_(True), "true"),
    ],
)
def test_text_of_a_value(value: Any, text: str | None) -> None:
    assert text_of("x", value) == text


@drawn()
@given(st.integers())
def test_an_integer_is_exact_as_an_integer_and_a_decimal(number: int) -> None:
    assert text_of("x", number) == text_of("x", Decimal(number)) == str(number)


@drawn()
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_text_of_a_number_is_that_number(number: float) -> None:
    assert float(text_of("x", number) or "") == number


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ("1.5", 1.5),
        (True, 1.0),
        (Decimal("0.25"), 0.25),
        (b"3", 3.0),
        (2, 2.0),
        ("", None),
        (math.nan, None),
        (np.int64(2), 2.0),
        (np.float16(0.5), 0.5),
        (np.bool_(True), 1.0),
        (np.float32("nan"), None),
    ],
)
def test_number_of_a_value(value: Any, number: float | None) -> None:
    assert number_of("x", value) == number


@pytest.mark.parametrize("value", ["NA", "1_0", "inf", math.inf, 1e39, 10**400, [1, 2], DAY, np.timedelta64(1, "s")])
def test_what_is_no_number_is_refused_with_the_way_out(value: Any) -> None:
    with pytest.raises(RowError, match=r"column 'x' holds .*; .* data\.missing"):
        number_of("x", value)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a|b", ["a", "b"]),
        ("a||b|", ["a", "b"]),
        ("['a', 'b']", ["a", "b"]),
        ('["a", 2]', ["a", 2]),
        ("[a|b", ["[a", "b"]),
        ("[]", []),
    ],
)
def test_lists_in_a_text(text: str, values: list[Any]) -> None:
    assert list_of(text, "|") == values


@pytest.mark.parametrize(
    ("text", "number"), [("3.0", "3"), ("-3.0", "-3"), ("3.00", "3.00"), ("v.0", "v.0"), (".0", ".0")]
)
def test_whole_numbers_of_data_frames(text: str, number: str) -> None:
    assert whole(text) == number


def test_dotted_names() -> None:
    row = {"user": {"os": {"name": "x"}, "a.b": 1}, "page.id": 3, "none": None}
    assert nested(row, "user.os.name") == (True, "x")
    assert nested(row, "user.a.b") == (True, 1)
    assert nested(row, "page.id") == (True, 3)
    assert nested(row, "none.id") == (True, None)
    assert nested(row, "user.id") == (False, None)
    assert nested(row, "other") == (False, None)


def spec(**changes: Any) -> DataSpec:
    return DataSpec.model_validate(
        {
            "shape": "labelled",
            "source": {"kind": "csv", "path": "rows.csv"},
            "inputs": ["items", "user.os"],
            "label": "bought",
            "tokenizer": "none",
            **changes,
        }
    )


ROW = {"items": "i1|i2", "user": {"os": "x"}, "bought": "3.0"}


def test_a_row_with_lists_whole_numbers_and_objects() -> None:
    found = RowReader(spec(separator="|", whole_numbers=True))({**ROW, "items": "3.0|i2"})
    assert found == {"items": ["3", "i2"], "user.os": ["x"], "bought": ["3"]}
    assert RowReader(spec())(ROW) == {"items": ["i1|i2"], "user.os": ["x"], "bought": ["3.0"]}
    assert RowReader(spec(separator=","))({**ROW, "items": "['i1', 'i2']"})["items"] == ["i1", "i2"]


@pytest.mark.parametrize("item", ["3.0", "3", 3, 3.0])
def test_a_model_is_asked_with_whole_numbers_of_any_form(item: Any) -> None:
    row = {"items": item, "user": {"os": "x"}}
    assert RowReader(spec(whole_numbers=True), labelled=False)(row)["items"] == ["3"]


def test_texts_for_missing_values() -> None:
    features = {
        "price": {"kind": "number", "missing": ["-"]},
        "os": {"kind": "category"},
        "age": {"kind": "number", "if_missing": "drop"},
    }
    reader = RowReader(spec(missing=["NA", r"\N"], features=features))
    found = reader({**ROW, "items": "NA", "price": "-", "os": r"\N", "age": 3})
    assert (found["items"], found["price"], found["os"], found["age"]) == ([], [], [], [3.0])
    with pytest.raises(RowError, match="price"):  # Its own list replaces the general one.
        reader({**ROW, "price": "NA", "age": 3})
    with pytest.raises(ShortRow, match="no value in 'age'"):
        reader({**ROW, "age": "NA"})
    with pytest.raises(RowError, match="bought: no label"):
        reader({**ROW, "bought": "NA", "age": 3})
    # A row to predict from is answered.
    assert RowReader(spec(missing=["NA"], features=features), labelled=False)({**ROW, "age": "NA"})["age"] == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"separator": "|", "tokenizer": "words"}, "data.separator: the tokens of text"),
        ({"whole_numbers": True, "tokenizer": "words"}, "data.whole_numbers needs"),
        ({"features": {"x": {"kind": "number", "if_missing": "value"}}}, "write 'mean' or 'drop'"),
        ({"features": {"x": {"kind": "category", "if_missing": "mean"}}}, "write 'value' or 'drop'"),
        ({"targets": {"x": {"kind": "category", "if_missing": "value"}}}, "data.targets.x.if_missing: a target"),
    ],
)
def test_keys_that_do_not_fit_are_refused(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        spec(**changes)


@pytest.mark.parametrize(
    ("texts", "line"),
    [
        (["3.0", "4.0"], r"100% of the values of 'items' end in '\.0', .*: data\.whole_numbers: true"),
        (["['a', 'b']"], r"look like lists: data\.separator: \",\""),
        (["a|b", "c|d|e"], r"look like lists: data\.separator: '\|'"),
    ],
)
def test_odd_values_are_noticed(texts: list[str], line: str) -> None:
    data, odd = spec(inputs=["items"]), OddValues()
    for text in (texts * 20)[:19]:
        odd.look({"items": [text], "bought": ["L1"]}, columns_looked_at(data))
    assert list(odd.lines()) == []  # Too few.
    for text in texts * 10:
        odd.look({"items": [text], "bought": ["L1"]}, columns_looked_at(data))
    [found] = list((odd + odd).lines())
    assert re.search(line, found)
    for _ in range(len(texts) * 20):
        odd.look({"items": ["i1"], "bought": ["L1"]}, columns_looked_at(data))
    assert list(odd.lines()) == []
