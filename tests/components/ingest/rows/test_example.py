from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.ingest.errors import RowError
from components.ingest.rows.example import serialize
from components.names import FIRST_LABEL
from tests.drawing import drawn

ROOT = Path(__file__).parents[4]
TEXT = st.text(st.characters(codec="utf-8"), max_size=300)
NUMBER = st.floats(width=32, allow_nan=False, allow_infinity=False)
VALUES = st.lists(TEXT, max_size=20) | st.lists(NUMBER, max_size=20)
Columns = dict[str, list[str] | list[float] | list[int]]


def by_hand(columns: Columns) -> tf.train.Example:
    example = tf.train.Example()
    for name, values in columns.items():
        if values and isinstance(values[0], str):
            example.features.feature[name].bytes_list.value.extend([str(v).encode() for v in values])
        elif name == FIRST_LABEL:
            example.features.feature[name].int64_list.value.extend([int(v) for v in values])
        elif values:
            example.features.feature[name].float_list.value.extend([float(v) for v in values])
    return example


@drawn()
@given(st.dictionaries(TEXT, VALUES, max_size=6), st.none() | st.integers(1, 1 << 40))
def test_an_example_reads_back_as_it_was(columns: Columns, first_label: int | None) -> None:
    columns = columns if first_label is None else {**columns, FIRST_LABEL: [first_label]}
    written = serialize(columns)
    assert tf.train.Example.FromString(written) == by_hand(columns)
    assert len(written) == by_hand(columns).ByteSize()
    assert written == serialize(dict(reversed(columns.items())))


@pytest.mark.parametrize("length", [127, 128, 16_383, 16_384, 3_000_000])
def test_lengths_of_more_than_one_byte(length: int) -> None:
    columns: Columns = {"words": ["x" * length], "more": ["y"] * (length // 10)}
    assert tf.train.Example.FromString(serialize(columns)) == by_hand(columns)


def test_features_are_in_the_order_of_their_names() -> None:
    written = serialize({"ï": ["c"], "b": ["b"], "a": [1.0], "B": ["x"], "empty": []})
    places = [written.index(name.encode()) for name in ("B", "a", "b", "ï")]
    assert places == sorted(places)
    assert b"empty" not in written
    assert serialize({}) == b""


def test_a_process_that_reads_rows_imports_no_tensorflow() -> None:
    code = "import sys; from components.ingest.rows import shards; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    imported = ran.stdout.split()
    assert "components.ingest.rows.shards" in imported
    assert not {"tensorflow", "tfx", "apache_beam"} & {*imported}


def test_half_a_surrogate_pair_is_a_bad_row() -> None:
    with pytest.raises(RowError, match="UTF-8"):
        serialize({"words": ["\ud800"], "year": [1790.0]})
