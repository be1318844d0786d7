"""Tests of Examples of many rows at once, against those of single rows."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.ingest.rows.encoding import serialize_all
from components.ingest.rows.example import serialize
from tests.drawing import drawn

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "words": st.lists(st.text(max_size=3), max_size=5),
            "é b": st.lists(st.text(max_size=200), max_size=1),
            "number": st.lists(st.floats(width=64, allow_nan=False, allow_infinity=False), max_size=1),
        }
    ),
    max_size=5,
)


def encoded(rows: list[dict[str, Any]]) -> list[bytes]:
    """Return the Examples of rows, all at once."""
    lists = {
        name: pa.array([[text.encode() for text in row[name]] for row in rows], pa.list_(pa.binary()))
        for name in ("words", "é b")
    }
    numbers = pa.array([row["number"][0] if row["number"] else None for row in rows], pa.float64())
    return serialize_all({**lists, "number": numbers}).to_pylist()


@drawn()
@given(ROWS)
def test_examples_are_those_of_single_rows(rows: list[dict[str, Any]]) -> None:
    assert encoded(rows) == [serialize(row) for row in rows]


@pytest.mark.parametrize("length", [127, 128, 16_383, 16_384, 65_535, 65_536, 3_000_000])
def test_long_texts(length: int) -> None:
    rows: list[dict[str, Any]] = [{"words": ["x" * length, "y"], "é b": [], "number": [0.5]}]
    assert encoded(rows) == [serialize(row) for row in rows]
