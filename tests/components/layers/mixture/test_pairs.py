"""Tests of pairs of a row as a part of a mixture."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.baselines.models.tables import pairs_of
from components.layers.mixture.pairs import Pairs
from tests.drawing import drawn

CLASSES = 6


def counted(rows: list[list[int]], window: int) -> np.ndarray:
    """Count the rows in which i and j are near each other."""
    c = np.zeros((CLASSES, CLASSES), np.int64)
    for row in rows:
        near = {(a, b) for at, b in enumerate(row) for a in row[max(0, at - window) : at]}
        for a, b in near | {(b, a) for a, b in near}:
            c[a, b] += 1
    return c


def pairs_in(rows: list[list[int]], window: int, rng: np.random.Generator) -> Pairs:
    half = np.triu(counted(rows, window))
    keys = np.flatnonzero(half)
    pairs = Pairs(window, pairs_of(keys, half.ravel()[keys], CLASSES, None, symmetric=True), CLASSES)
    pairs.build()
    pairs.places.assign(rng.normal(size=window))
    pairs.rho.assign(rng.normal(size=2))
    return pairs


@drawn(40)
@given(
    st.lists(st.lists(st.integers(0, CLASSES - 1), min_size=2, max_size=6), min_size=1, max_size=6),
    st.integers(1, 4),
    st.integers(0, 10**6),
)
def test_estimates_are_those_of_a_recount(rows: list[list[int]], window: int, seed: int) -> None:
    pairs = pairs_in(rows, window, np.random.default_rng(seed))
    discount, c = pairs.order.discount, counted(rows, window)
    for row in rows:
        label, before = row[-1], row[:-1][-window:]
        context = np.full((1, window), CLASSES + 1)
        context[0, window - len(before) :] = before
        found = pairs.find(tf.constant(context), tf.constant([label]), leave_out=True)
        weights = found.weights.numpy()[0]
        mass = backoff = 0.0
        for token, weight in zip(context[0], weights, strict=True):
            if token >= CLASSES:
                assert weight == 0
                continue
            # Without this row, which has the pair.
            now, total, types = c[token, label] - 1, c[token].sum() - 1, (c[token] > 0).sum() - (c[token, label] == 1)
            if total > 0:
                mass += weight * max(now - discount, 0) / total
                backoff += weight * discount * types / total
        np.testing.assert_allclose(found.mass, [mass], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(found.backoff, [backoff], rtol=1e-4, atol=1e-6)
        assert np.isclose(weights.sum(), 0.0 if found.empty[0] else 1.0)


def test_the_table_is_symmetric_and_counts_within_the_window() -> None:
    rows = [[0, 1, 2, 3], [1, 0]]
    pairs = pairs_in(rows, 2, np.random.default_rng(0))
    c = np.zeros((CLASSES, CLASSES))
    keys = pairs.order.keys.numpy()
    c[keys // CLASSES, keys % CLASSES] = pairs.order.counts.numpy()
    np.testing.assert_array_equal(c, counted(rows, 2))
    assert c[0, 3] == 0
    assert c[0, 1] == 2


def test_classes_of_all_chunks_and_the_unigrams_sum_to_one() -> None:
    pairs = pairs_in([[0, 1, 2, 3, 4], [1, 0, 0, 5]], 3, np.random.default_rng(2))
    context, labels = tf.constant([[0, 1, 5], [7, 7, 3], [7, 6, 7]]), tf.constant([2, 2, 2])
    found = pairs.find(context, labels)
    whole = np.zeros((3, CLASSES))
    for start, end in ((0, 4), (4, CLASSES)):
        where, mass = pairs.seen(found, start, end)
        for (row, label), each in zip(where.numpy(), mass.numpy(), strict=True):
            whole[row, start + label] += each
    np.testing.assert_allclose(whole[:, 2], found.mass, rtol=1e-5)
    np.testing.assert_allclose(whole.sum(axis=1) + found.backoff, [1.0, 1.0, 0.0], rtol=1e-5)
    np.testing.assert_array_equal(found.empty, [False, False, True])
