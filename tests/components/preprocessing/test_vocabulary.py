"""Tests of tokens of any text in vocabulary files, in Python and in TensorFlow."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.preprocessing.preprocessing import _lookup
from components.preprocessing.vocabulary import (
    coverage,
    escape,
    escape_tensor,
    read_vocabulary,
    unescape,
    unescape_tensor,
)
from tests.drawing import drawn

ODD = [
    "\\",
    " ",
    "\n",
    "\r",
    "\0",
    "\x85",
    "\u2028",
    "\ufeff",
    "\t",
    "s",
    "b",
    "n",
    "r",
    "e\u0301",
    "é",
    "0",
    '"',
    "__SPACE__",
]
TOKENS = st.lists(
    st.one_of(st.lists(st.sampled_from(ODD), min_size=1).map("".join), st.text(min_size=1)), min_size=1, unique=True
)
EXAMPLES = [
    "a b",
    "a__SPACE__b",
    r"a\sb",
    "\\",
    r"\\s",
    "a\r",
    "\r\n",
    " ",
    "-1",
    "0",
    "'",
    "x" * 3_000,
    "é",
    "e\u0301",
]


def check(tokens: list[str]) -> None:
    escaped = [escape(token) for token in tokens]
    assert [unescape(token) for token in escaped] == tokens
    raw = tf.constant([token.encode() for token in tokens], tf.string)
    assert [token.decode() for token in escape_tensor(raw).numpy()] == escaped
    assert [token.decode() for token in unescape_tensor(escape_tensor(raw)).numpy()] == tokens
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels"
        path.write_bytes("".join(f"7 {token}\n" for token in escaped).encode())
        assert read_vocabulary(path).tokens == tokens
        ids, size = _lookup(0)(escape_tensor(raw), tf.constant(str(path)))
        assert (ids.numpy().tolist(), int(size)) == (list(range(len(tokens))), len(tokens))


@drawn()
@given(TOKENS)
def test_any_text_is_read_back_and_found(tokens: list[str]) -> None:
    check(tokens)


def test_texts_that_break_lines_words_or_escapes() -> None:
    check(list(dict.fromkeys([*EXAMPLES, *ODD])))


@drawn()
@given(st.binary())
def test_what_is_no_text_is_escaped_too(token: bytes) -> None:
    expected = token.replace(b"\\", rb"\b").replace(b" ", rb"\s").replace(b"\n", rb"\n").replace(b"\r", rb"\r")
    assert escape_tensor(tf.constant([token])).numpy()[0] == expected


@drawn()
@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=300))
def test_the_coverage_rises_to_all_occurrences(counts: list[int]) -> None:
    ordered = np.sort(np.asarray(counts))[::-1]
    found = coverage(ordered)
    assert found[-1] == (len(counts), 1.0)
    assert all(k < other and share < more for (k, share), (other, more) in pairwise(found))
    assert all(share == pytest.approx(ordered[:k].sum() / ordered.sum()) for k, share in found)
    assert found[0][0] == 1


def test_nothing_covers_nothing() -> None:
    assert coverage(np.zeros(0, np.int64)) == []
