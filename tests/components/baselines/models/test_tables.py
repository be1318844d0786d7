"""Tests of pruned tables."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.baselines.counting import packed
from components.baselines.models.kneser_ney import KneserNey
from components.baselines.models.tables import tables_of
from tests.drawing import drawn

CLASSES, CONTEXTS = 5, 7
SIZES = {"order": 3, "n_contexts": CONTEXTS, "n_classes": CLASSES}


def counted(seen: list[tuple[int, int, int]]) -> tuple[np.ndarray, np.ndarray]:
    table = np.asarray(seen, np.int64)
    return np.unique(packed(table[:, :-1], table[:, -1], CONTEXTS, CLASSES), return_counts=True)


TRIGRAMS = st.lists(
    st.tuples(st.integers(0, CONTEXTS - 1), st.integers(0, CONTEXTS - 1), st.integers(0, CLASSES - 1)),
    min_size=1,
    max_size=60,
)


@given(TRIGRAMS)
@drawn(30)
def test_a_limit_above_the_number_of_ngrams_changes_nothing(seen: list[tuple[int, int, int]]) -> None:
    keys, counts = counted(seen)
    contexts, labels = np.asarray(seen)[:, :2], np.asarray(seen)[:, 2]
    whole, limited = (KneserNey(keys, counts, **SIZES, most=most) for most in (None, len(keys)))
    for one, other in zip(whole.score(contexts, labels), limited.score(contexts, labels), strict=True):
        np.testing.assert_array_equal(one, other)


@given(TRIGRAMS, st.integers(1, 20))
@drawn(40)
def test_a_pruned_model_is_a_distribution_and_its_ranks_are_those_of_its_probabilities(
    seen: list[tuple[int, int, int]], most: int
) -> None:
    model = KneserNey(*counted(seen), **SIZES, most=most)
    for context in {gram[:2] for gram in seen}:
        dense = model.probabilities(np.asarray(context))
        assert dense.sum() == pytest.approx(1)
        nll, rank = model.score(np.tile(context, (CLASSES, 1)), np.arange(CLASSES))
        assert np.exp(-nll) == pytest.approx(dense)
        above = (dense > dense[:, np.newaxis] * (1 + 1e-12)).sum(axis=1)
        equal = np.isclose(dense, dense[:, np.newaxis], rtol=1e-12, atol=0).sum(axis=1)
        assert (rank >= 1 + above).all()
        assert (rank <= above + equal).all()


def test_the_most_frequent_ngrams_stay_and_of_equal_ones_those_in_rare_contexts() -> None:
    # Context 0: label 1 three times, label 2 once. Context 3: label 4 once.
    keys, counts = np.array([0 * 5 + 1, 0 * 5 + 2, 3 * 5 + 4]), np.array([3, 1, 1])
    (bigrams,) = tables_of(keys, counts, order=2, n_contexts=7, n_classes=5, most=2).orders
    assert bigrams.keys.tolist() == [1, 3 * 5 + 4]
    assert (bigrams.totals.tolist(), bigrams.pruned.tolist()) == ([4, 1], [1, 0])
    whole = tables_of(keys, counts, order=2, n_contexts=7, n_classes=5)
    pruned = tables_of(keys, counts, order=2, n_contexts=7, n_classes=5, most=1)
    assert pruned.orders[0].contexts.tolist() == [0]
    assert pruned.orders[0].discount == whole.orders[0].discount
    np.testing.assert_array_equal(pruned.unigrams, whole.unigrams)
