"""Tests that counting n-grams in batches equals counting all of them at once."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.baselines.counting import KeyCounts, packed, sum_by_key
from tests.drawing import drawn


@drawn()
@given(batches=st.lists(st.lists(st.integers(0, 20))), pending=st.integers(1, 8))
def test_counts_do_not_depend_on_batches(batches: list[list[int]], pending: int) -> None:
    counts = KeyCounts(pending)
    for batch in batches:
        counts.add(np.asarray(batch, np.int64))
    keys, found = counts.result()
    expected = Counter(key for batch in batches for key in batch)
    assert keys.tolist() == sorted(expected)
    assert found.tolist() == [expected[key] for key in sorted(expected)]


def test_packed_keys_sort_by_context_then_label() -> None:
    contexts = np.array([[1, 2], [1, 2], [0, 3], [2, 0]])
    labels = np.array([1, 0, 4, 0])
    keys = packed(contexts, labels, n_contexts=4, n_classes=5)
    assert keys.tolist() == [(1 * 4 + 2) * 5 + 1, (1 * 4 + 2) * 5, 3 * 5 + 4, 2 * 4 * 5]
    assert (keys // 5 // 4).tolist() == [1, 1, 0, 2]


def test_vocabularies_too_large_to_pack_are_refused() -> None:
    with pytest.raises(ValueError, match="too many to count n-grams of 3"):
        packed(np.zeros((1, 2), np.int64), np.zeros(1, np.int64), n_contexts=3_000_000, n_classes=3_000_000)


def test_sum_by_key() -> None:
    keys, counts = sum_by_key(np.array([5, 2, 5, 0]), np.array([1, 2, 3, 4]))
    assert (keys.tolist(), counts.tolist()) == ([0, 2, 5], [4, 2, 4])
