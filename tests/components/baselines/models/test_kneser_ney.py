"""Tests of Kneser-Ney against values worked by hand and against a plain implementation of the equations."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.baselines.counting import packed
from components.baselines.models.kneser_ney import KneserNey
from tests.drawing import drawn

CLASSES, CONTEXTS = 6, 8
Ngrams = list[tuple[int, ...]]


def ngrams(order: int) -> st.SearchStrategy[Ngrams]:
    context = st.integers(0, CONTEXTS - 1)
    return st.lists(st.tuples(*[context] * (order - 1), st.integers(0, CLASSES - 1)), min_size=1, max_size=60)


def model_of(seen: Ngrams, *, continuation: bool = True) -> KneserNey:
    table = np.asarray(seen, np.int64)
    keys, counts = np.unique(packed(table[:, :-1], table[:, -1], CONTEXTS, CLASSES), return_counts=True)
    return KneserNey(
        keys, counts, order=table.shape[1], n_contexts=CONTEXTS, n_classes=CLASSES, continuation=continuation
    )


def by_the_equations(counts: Counter[tuple[int, ...]], context: tuple[int, ...], label: int) -> float:
    """Compute equations 20 to 22 of Chen and Goodman without arrays."""
    once, twice = (sum(count == n for count in counts.values()) for n in (1, 2))
    discount = once / (once + 2 * twice) if once else 0.5
    followers = {gram[-1]: count for gram, count in counts.items() if gram[:-1] == context}
    lower = by_the_equations(Counter(gram[1:] for gram in counts), context[1:], label) if context else 1 / CLASSES
    if not followers:
        return lower
    total = sum(followers.values())
    return max(followers.get(label, 0) - discount, 0) / total + discount * len(followers) / total * lower


def test_bigram_by_hand() -> None:
    # c(01) = 2, c(00) = c(11) = 1, three classes: D2 = 2 / (2 + 2), D1 = 1 / (1 + 2) from N1+(.0) = 1 and N1+(.1) = 2.
    keys = np.array([0 * 3 + 0, 0 * 3 + 1, 1 * 3 + 1])
    model = KneserNey(keys, np.array([1, 2, 1]), order=2, n_contexts=5, n_classes=3)
    assert model.discounts == pytest.approx([1 / 2, 1 / 3])
    unigram = np.array([8, 17, 2]) / 27
    assert model.probabilities(np.array([4])) == pytest.approx(unigram)
    assert model.probabilities(np.array([0])) == pytest.approx(np.array([1 / 6, 1 / 2, 0]) + unigram / 3)
    assert model.probabilities(np.array([1])) == pytest.approx(np.array([0, 1 / 2, 0]) + unigram / 2)
    nll, rank = model.score(np.array([[0], [1], [4]]), np.array([0, 2, 1]))
    assert np.exp(-nll) == pytest.approx([1 / 6 + 8 / 81, 1 / 27, 17 / 27])
    assert rank.tolist() == [2, 3, 1]


@pytest.mark.parametrize("order", [1, 2, 3])
@given(data=st.data())
@drawn(40)
def test_probabilities_follow_the_equations_and_sum_to_one(order: int, data: st.DataObject) -> None:
    seen = data.draw(ngrams(order))
    model, counts = model_of(seen), Counter(seen)
    contexts = [gram[:-1] for gram in seen[:3]] + [data.draw(st.tuples(*[st.integers(0, CONTEXTS - 1)] * (order - 1)))]
    for context in contexts:
        found = model.probabilities(np.asarray(context, np.int64))
        assert found == pytest.approx([by_the_equations(counts, context, label) for label in range(CLASSES)])
        assert found.sum() == pytest.approx(1)


@pytest.mark.parametrize("continuation", [True, False])
@pytest.mark.parametrize("order", [1, 2, 3])
@given(data=st.data())
@drawn(30)
def test_rank_and_nll_equal_brute_force(order: int, continuation: bool, data: st.DataObject) -> None:
    model = model_of(data.draw(ngrams(order)), continuation=continuation)
    labels = np.arange(CLASSES)
    for context in itertools.product(*[range(CONTEXTS)] * (order - 1)):
        nll, rank = model.score(np.tile(np.asarray(context, np.int64), (CLASSES, 1)), labels)
        dense = model.probabilities(np.asarray(context, np.int64))
        assert nll == pytest.approx(-np.log(dense))
        above = dense > dense[:, np.newaxis] * (1 + 1e-12)
        equal = np.isclose(dense, dense[:, np.newaxis], rtol=1e-12, atol=0)
        # A seen and an unseen class may be equal by coincidence, and rounding then determines their order.
        assert (rank >= 1 + above.sum(axis=1)).all()
        assert (rank <= above.sum(axis=1) + equal.sum(axis=1)).all()


def test_ranks_are_a_permutation_with_ties_by_id() -> None:
    model = model_of([(0, 3), (0, 3), (0, 5), (0, 1), (2, 0)])
    contexts, labels = np.zeros((CLASSES, 1), np.int64), np.arange(CLASSES)
    _, rank = model.score(contexts, labels)
    # Class 3 was counted twice, 1 and 5 once, 0 only in another context, 2 and 4 never. Ties are ordered by id.
    assert rank.tolist() == [4, 2, 5, 1, 6, 3]


def test_nothing_to_count_is_refused() -> None:
    with pytest.raises(ValueError, match="no label of the train split is in the label vocabulary"):
        KneserNey(np.zeros(0, np.int64), np.zeros(0, np.int64), order=2, n_contexts=3, n_classes=2)
