"""Tests of the estimates in TensorFlow: against the baseline, and with one example left out against a recount."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.baselines.counting import packed
from components.baselines.models.kneser_ney import KneserNey
from components.baselines.models.tables import tables_of
from components.layers.mixture.counts import Counts, row_ids
from tests.drawing import drawn

CLASSES, CONTEXTS = 4, 6
Ngram = tuple[int, ...]


def ngrams(order: int) -> st.SearchStrategy[list[Ngram]]:
    context = st.integers(0, CONTEXTS - 1)
    return st.lists(st.tuples(*[context] * (order - 1), st.integers(0, CLASSES - 1)), min_size=1, max_size=40)


def arguments(seen: list[Ngram], continuation: bool, most: int | None) -> dict:
    table = np.asarray(seen, np.int64)
    keys, counts = np.unique(packed(table[:, :-1], table[:, -1], CONTEXTS, CLASSES), return_counts=True)
    sizes = {"order": table.shape[1], "n_contexts": CONTEXTS, "n_classes": CLASSES}
    return {"keys": keys, "counts": counts, **sizes, "continuation": continuation, "most": most}


def recounted(
    counts: Counter[Ngram], kept: dict[int, set[Ngram]], discounts: list[float], ngram: Ngram, continuation: bool
) -> float:
    """Compute the estimate of an n-gram without arrays, for given discounts and a given choice of n-grams."""
    total, length = sum(counts.values()), len(ngram)
    if length == 1:
        uniform = 1 / CLASSES
        if not total:
            return uniform
        return (max(counts[ngram] - discounts[0], 0) + discounts[0] * len(counts) * uniform) / total
    shorter: Counter[Ngram] = Counter()
    for gram, count in counts.items():
        shorter[gram[1:]] += 1 if continuation else count
    lower = recounted(shorter, kept, discounts, ngram[1:], continuation)
    followers = {gram: count for gram, count in counts.items() if gram[:-1] == ngram[:-1]}
    if not followers:
        return lower
    total, discount = sum(followers.values()), discounts[length - 1]
    mass = max(followers.get(ngram, 0) - discount, 0) if ngram in kept[length] else 0
    left = sum(discount if gram in kept[length] else count for gram, count in followers.items())
    return (mass + left * lower) / total


@pytest.mark.parametrize("continuation", [True, False])
@pytest.mark.parametrize("order", [1, 2, 3])
@given(data=st.data())
@drawn(15)
def test_estimates_are_those_of_the_baseline_and_sum_to_one(
    order: int, continuation: bool, data: st.DataObject
) -> None:
    given_ = arguments(data.draw(ngrams(order)), continuation, data.draw(st.sampled_from([None, 1, 3, 10])))
    baseline, counts = KneserNey(**given_), Counts(tables_of(**given_))
    grams = np.asarray([*itertools.product(*[range(CONTEXTS)] * (order - 1), range(CLASSES))])
    found = counts.find(tf.constant(grams[:, :-1]), tf.constant(grams[:, -1]))
    nll, _ = baseline.score(grams[:, :-1], grams[:, -1])
    np.testing.assert_allclose(found.probability, np.exp(-nll), rtol=1e-5)
    np.testing.assert_allclose(np.reshape(found.probability, (-1, CLASSES)).sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("continuation", [True, False])
@pytest.mark.parametrize("order", [1, 2, 3])
@given(data=st.data())
@drawn(25)
def test_leaving_one_out_is_a_recount_without_the_example(order: int, continuation: bool, data: st.DataObject) -> None:
    seen, most = data.draw(ngrams(order)), data.draw(st.sampled_from([None, None, 2, 6]))
    tables = tables_of(**arguments(seen, continuation, most))
    kept = {n: {unpacked(key, n) for key in each.keys} for n, each in enumerate(tables.orders, start=2)}
    discounts = [tables.discount, *(each.discount for each in tables.orders)]
    table = np.asarray(seen, np.int64)
    found = Counts(tables).find(tf.constant(table[:, :-1]), tf.constant(table[:, -1]), leave_out=True)
    for gram, probability in zip(seen, found.probability.numpy(), strict=True):
        if pruned_with_more(gram, seen, kept, continuation):
            continue
        others = Counter(seen)
        others[gram] -= 1
        wanted = recounted(+others, kept, discounts, gram, continuation)
        assert probability == pytest.approx(wanted, rel=1e-5)


def unpacked(key: int, length: int) -> Ngram:
    key, label = divmod(int(key), CLASSES)
    context = []
    for _ in range(length - 1):
        key, last = divmod(key, CONTEXTS)
        context.insert(0, last)
    return (*context, label)


def pruned_with_more(gram: Ngram, seen: list[Ngram], kept: dict[int, set[Ngram]], continuation: bool) -> bool:
    """Return True if the n-gram or one of its endings was pruned although its count is above 1."""
    counts = Counter(seen)
    while len(gram) > 1:
        if gram not in kept[len(gram)] and counts[gram] > 1:
            return True
        shorter: Counter[Ngram] = Counter()
        for other, count in counts.items():
            shorter[other[1:]] += 1 if continuation else count
        counts, gram = shorter, gram[1:]
    return False


def test_leaving_one_out_by_hand() -> None:
    # Bigrams 0 1 (twice), 0 0, 1 1; D2 = 2 / (2 + 2) = 1/2, D1 = 1 / (1 + 2) = 1/3 from N1+(. 0) = 1 and N1+(. 1) = 2.
    seen = [(0, 1), (0, 1), (0, 0), (1, 1)]
    counts = Counts(tables_of(**arguments(seen, continuation=True, most=None)))
    table = np.asarray(seen)
    found = counts.find(tf.constant(table[:, :1]), tf.constant(table[:, 1]), leave_out=True)
    one = (5 / 3 + 2 / 3 / CLASSES) / 3  # Both continuations of 1 remain: unigram of 1.
    zero = (1 / 3 / CLASSES) / 2  # Without 0 0, nothing is followed by 0, and 1 is the only type.
    rest = (2 / 3 + 2 / 3 / CLASSES) / 2  # Without 1 1, one of the continuations of 1 is gone.
    expected = [1 / 4 + one * 1 / 2, 1 / 4 + one * 1 / 2, 1 / 4 * zero, rest]
    np.testing.assert_allclose(found.probability, expected, rtol=1e-6)


def test_features_tell_how_often_a_context_was_seen() -> None:
    counts = Counts(tables_of(**arguments([(0, 1), (0, 1), (0, 0), (1, 1)], continuation=True, most=None)))
    context, labels = tf.constant([[0], [1], [5]]), tf.constant([1, 1, 1])
    np.testing.assert_allclose(counts.find(context, labels).features, np.log1p([[3, 2], [1, 1], [0, 0]]), rtol=1e-6)
    left_out = counts.find(context[:2], labels[:2], leave_out=True)
    np.testing.assert_allclose(left_out.features, np.log1p([[2, 2], [0, 0]]), rtol=1e-6)


@given(lengths=st.lists(st.integers(0, 4), min_size=1, max_size=8))
@drawn(30)
def test_each_value_has_the_number_of_its_row(lengths: list[int]) -> None:
    splits = tf.constant(np.concatenate([[0], np.cumsum(lengths)]), tf.int64)
    np.testing.assert_array_equal(row_ids(splits), np.repeat(np.arange(len(lengths)), lengths))
