"""Tests of the cache of a row."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.layers.mixture.cache import Cache
from tests.drawing import drawn


def cache_of(length: int, unigrams: np.ndarray, rng: np.random.Generator) -> Cache:
    cache = Cache(length, unigrams)
    cache.build()
    cache.places.assign(rng.normal(size=length))
    cache.theta.assign(rng.normal())
    cache.phi.assign(rng.normal(size=2))
    return cache


@drawn(50)
@given(st.integers(1, 7), st.integers(0, 3), st.integers(1, 5), st.integers(0, 10**6))
def test_weights_are_those_of_the_formula(length: int, more: int, classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    unigrams = rng.integers(1, 50, classes)
    cache = cache_of(length, unigrams, rng)
    # Two ids beyond the classes: another token, and a place before the row.
    row = rng.integers(0, classes + 2, length + more)
    x, log_unigrams = row[more:], np.log(unigrams / unigrams.mean())
    scores = np.full(length, -np.inf)
    for at in range(length):
        if x[at] >= classes:
            continue
        one = at >= 1 and x[at - 1] == x[-1]
        two = one and at >= 2 and length >= 2 and x[at - 2] == x[-2]
        phi = cache.phi.numpy()
        scores[at] = cache.places.numpy()[at] + float(cache.theta.numpy()) * log_unigrams[x[at]]
        scores[at] += phi[0] * one + phi[1] * two
    found = cache.find(tf.constant(row[np.newaxis]), tf.constant([0]))
    wanted = np.zeros(length) if np.isinf(scores).all() else np.exp(scores - scores.max())
    wanted /= max(wanted.sum(), 1e-300)
    np.testing.assert_allclose(found.weights[0], wanted, rtol=1e-4, atol=1e-6)
    assert bool(found.empty[0]) == np.isinf(scores).all()
    for label in range(classes):
        mass = cache.find(tf.constant(row[np.newaxis]), tf.constant([label])).mass
        np.testing.assert_allclose(mass, [wanted[x == label].sum()], atol=1e-6)


def test_a_row_that_repeats_itself_is_foreseen() -> None:
    cache = Cache(8, np.ones(10, np.int64))
    cache.build()
    found = cache.find(tf.constant([[11, 1, 2, 3, 4, 5, 1, 2]]), tf.constant([0]))
    assert int(tf.argmax(found.weights[0])) == 3, "3 followed 1 2 before"


def test_rows_without_a_known_token_have_finite_gradients() -> None:
    cache = Cache(3, np.ones(4, np.int64))
    cache.build()
    variables = [v.value for v in cache.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(variables)
        found = cache.find(tf.constant([[5, 5, 5], [5, 4, 1]]), tf.constant([0, 1]))
        total = tf.reduce_sum(tf.math.log(found.mass + 1.0)) + tf.reduce_sum(found.features)
    assert all(np.isfinite(gradient).all() for gradient in tape.gradient(total, variables))


def test_the_classes_of_a_chunk_are_those_of_the_whole() -> None:
    cache = Cache(6, np.arange(1, 10))
    cache.build()
    rows = tf.constant([[0, 8, 3, 3, 10, 5], [9, 9, 9, 9, 9, 9]])
    found = cache.find(rows, tf.constant([0, 0]))
    whole = np.zeros((2, 9))
    for start, end in ((0, 4), (4, 9)):
        where, mass = cache.seen(found, start, end)
        for (row, label), weight in zip(where.numpy(), mass.numpy(), strict=True):
            assert 0 <= label < end - start
            whole[row, start + label] += weight
    for label in range(9):
        np.testing.assert_allclose(whole[:, label], cache.find(rows, tf.constant([label, label])).mass, rtol=1e-6)
