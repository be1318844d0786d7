from __future__ import annotations

import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.ingest.errors import RowError
from components.ingest.rows import wire
from components.ingest.rows.wire import serialize

TEXT = st.text(st.characters(codec="utf-8"), max_size=300)
NUMBER = st.floats(width=32, allow_nan=False, allow_infinity=False)
VALUES = st.lists(TEXT, max_size=20) | st.lists(NUMBER, max_size=20)


def by_hand(columns: dict[str, list[str] | list[float]]) -> tf.train.Example:
    example = tf.train.Example()
    for name, values in columns.items():
        if values and isinstance(values[0], str):
            example.features.feature[name].bytes_list.value.extend([str(v).encode() for v in values])
        elif values:
            example.features.feature[name].float_list.value.extend([float(v) for v in values])
    return example


@given(st.dictionaries(TEXT, VALUES, max_size=6))
def test_an_example_reads_back_as_it_was(columns: dict[str, list[str] | list[float]]) -> None:
    written = serialize(columns)
    assert tf.train.Example.FromString(written) == by_hand(columns)
    assert len(written) == by_hand(columns).ByteSize()
    assert written == serialize(dict(reversed(columns.items())))


@pytest.mark.parametrize("length", [127, 128, 16_383, 16_384, 3_000_000])
def test_lengths_of_more_than_one_byte(length: int) -> None:
    columns: dict[str, list[str] | list[float]] = {"words": ["x" * length], "more": ["y"] * (length // 10)}
    assert tf.train.Example.FromString(serialize(columns)) == by_hand(columns)


def test_what_is_kept_of_frequent_texts_does_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "_KEPT", 3)
    monkeypatch.setattr(wire, "_values", wire._Values())
    columns: dict[str, list[str] | list[float]] = {"words": ["the", "state", "of", "the", "union", "the"]}
    assert tf.train.Example.FromString(serialize(columns)) == by_hand(columns)
    assert len(wire._values) <= 3


def test_half_a_surrogate_pair_is_a_bad_row() -> None:
    with pytest.raises(RowError, match="UTF-8"):
        serialize({"words": ["\ud800"], "year": [1790.0]})
