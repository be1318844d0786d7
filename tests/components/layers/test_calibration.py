"""Tests of the calibration of a softmax."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from components.layers.calibration import calibrated, fit_sharpness

CLASSES, WIDTH, ROWS = 5, 8, 4_000


def problem(seed: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    rng = np.random.default_rng(seed)
    hidden, table = (rng.normal(size=(n, WIDTH)).astype(np.float32) for n in (ROWS, CLASSES))
    prior = np.log(rng.dirichlet(np.ones(CLASSES))).astype(np.float32)
    return tf.constant(hidden), tf.constant(table), tf.constant(prior + rng.normal(size=CLASSES), tf.float32), prior


def nll(sharpness: float, hidden, table, bias, prior, labels) -> float:
    vectors, bias = calibrated(hidden, bias, prior, sharpness)
    log_p = tf.nn.log_softmax(tf.matmul(vectors, table, transpose_b=True) + bias)
    return -float(tf.reduce_mean(tf.gather(log_p, labels, batch_dims=1)))


def test_sharpness_of_one_is_the_model_and_of_zero_the_frequencies() -> None:
    hidden, table, bias, prior = problem(0)
    for sharpness, wanted in ((1.0, tf.matmul(hidden, table, transpose_b=True) + bias), (0.0, prior[np.newaxis])):
        vectors, shifted = calibrated(hidden, bias, prior, sharpness)
        logits = tf.matmul(vectors, table, transpose_b=True) + shifted
        np.testing.assert_allclose(logits, np.broadcast_to(wanted, logits.shape), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("true", [0.3, 1.0, 2.5])
def test_the_sharpness_that_made_the_labels_is_found(true: float) -> None:
    hidden, table, bias, prior = problem(1)
    vectors, shifted = calibrated(hidden, bias, prior, true)
    logits = tf.matmul(vectors, table, transpose_b=True) + shifted
    labels = tf.random.stateless_categorical(logits, 1, [1, 2])[:, 0]
    unknown = tf.concat([labels, [-1]], axis=0)
    more = tf.concat([hidden, hidden[:1] + 100], axis=0)  # A label outside the vocabulary does not count.
    found = fit_sharpness(more, table, bias, prior, unknown)
    assert found == pytest.approx(true, rel=0.15)
    given = (hidden, table, bias, prior, labels)
    assert nll(found, *given) <= min(nll(found + step, *given) for step in (-0.02, 0.02)) + 1e-6


def test_a_model_that_knows_nothing_is_left_with_the_frequencies() -> None:
    hidden, table, _, prior = problem(2)
    labels = tf.random.stateless_categorical(tf.tile(prior[np.newaxis], [ROWS, 1]), 1, [3, 4])[:, 0]
    assert fit_sharpness(hidden, table, tf.constant(prior), prior, labels) < 0.1
