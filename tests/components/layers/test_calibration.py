"""Tests of the calibration of a softmax."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.layers.calibration import calibrated, fit_platt, fit_sharpness, fit_temperature
from tests.drawing import drawn

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


def softmax_problem(seed: int, scale: float, classes: int = 40, rows: int = 600) -> tuple[np.ndarray, ...]:
    """Return hidden vectors, class vectors and bias of logits with about the given scale, and a bias."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(rows, WIDTH)).astype(np.float32) * np.float32(scale / np.sqrt(WIDTH))
    table = rng.normal(size=(classes, WIDTH)).astype(np.float32)
    return hidden, table, (scale * rng.normal(size=classes)).astype(np.float32)


def labels_of(seed: int, hidden: np.ndarray, table: np.ndarray, bias: np.ndarray, temperature: float) -> np.ndarray:
    """Draw a label for each row from softmax(z / temperature)."""
    rng = np.random.default_rng(seed + 1)
    logits = (hidden @ table.T + bias) / temperature
    return np.argmax(logits + rng.gumbel(size=logits.shape), axis=1)


def mean_nll(temperature: float, hidden: np.ndarray, table: np.ndarray, bias: np.ndarray, labels: np.ndarray) -> float:
    logits = (hidden.astype(np.float64) @ table.T + bias) / temperature
    shifted = logits - logits.max(axis=1, keepdims=True)
    own = shifted[np.arange(len(labels)), labels]
    return float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - own))


def fitted(hidden: np.ndarray, table: np.ndarray, bias: np.ndarray, labels: np.ndarray) -> float:
    return fit_temperature(*(tf.constant(each) for each in (hidden, table, bias, labels)))


@given(seed=st.integers(0, 10_000), scale=st.floats(0.5, 5), true=st.floats(0.3, 6))
@drawn(15)
def test_the_temperature_is_the_best_of_a_grid(seed: int, scale: float, true: float) -> None:
    problem = softmax_problem(seed, scale)
    labels = labels_of(seed, *problem, true)
    found = fitted(*problem, labels)
    grid = np.geomspace(1 / 8, 16, 400)
    best = grid[np.argmin([mean_nll(temperature, *problem, labels) for temperature in grid])]
    assert found == pytest.approx(best, rel=0.02)  # The grid has steps of 1.2%.
    assert mean_nll(found, *problem, labels) <= mean_nll(best, *problem, labels) + 1e-6


@given(seed=st.integers(0, 10_000), true=st.floats(0.5, 4))
@drawn(10)
def test_doubled_logits_have_twice_the_temperature(seed: int, true: float) -> None:
    hidden, table, bias = softmax_problem(seed, 2.0)
    labels = labels_of(seed, hidden, table, bias, true)
    assert fitted(2 * hidden, table, 2 * bias, labels) == pytest.approx(
        2 * fitted(hidden, table, bias, labels), rel=0.02
    )


def test_labels_outside_the_vocabulary_do_not_count_for_the_temperature() -> None:
    hidden, table, bias = softmax_problem(3, 2.0)
    labels = labels_of(3, hidden, table, bias, 2.0)
    more, unknown = np.concatenate([hidden, 100 * hidden[:5]]), np.concatenate([labels, [-1] * 5])
    assert fitted(more, table, bias, unknown) == fitted(hidden, table, bias, labels)


@pytest.mark.parametrize(("certain", "bound"), [(True, 1 / 8), (False, 16.0)])
def test_the_temperature_has_bounds(certain: bool, bound: float) -> None:
    hidden, table, bias = softmax_problem(4, 3.0)
    logits = hidden @ table.T + bias
    labels = logits.argmax(axis=1) if certain else logits.argmin(axis=1)
    assert fitted(hidden, table, bias, labels) == pytest.approx(bound, rel=0.01)


def padded(rng: np.random.Generator, logits: np.ndarray, most: int = 3) -> np.ndarray:
    """Draw one to three distinct labels for each row; some of them are outside the vocabulary."""
    order = np.argsort(-(logits + rng.gumbel(size=logits.shape)), axis=1)[:, :most].astype(np.int32)
    sizes = rng.integers(1, most + 1, len(logits))
    labels = np.where(np.arange(most) < sizes[:, np.newaxis], order, -2)
    labels[::7, 0] = -1
    return labels


def nll_of_several(temperature: float, hidden: np.ndarray, table: np.ndarray, bias: np.ndarray, labels) -> float:
    logits = (hidden.astype(np.float64) @ table.T + bias) / temperature
    log_p = (
        logits
        - np.log(np.exp(logits - logits.max(1, keepdims=True)).sum(1, keepdims=True))
        - logits.max(1, keepdims=True)
    )
    rows = [[-log_p[row, label] for label in of if label >= 0] for row, of in enumerate(labels)]
    return float(np.mean([np.mean(row) for row in rows if row]))


def test_the_temperature_of_several_labels_is_the_best_of_a_grid() -> None:
    hidden, table, bias = softmax_problem(5, 3.0)
    labels = padded(np.random.default_rng(5), (hidden @ table.T + bias) / 2)
    found = fitted(hidden, table, bias, labels)
    around = [nll_of_several(found * factor, hidden, table, bias, labels) for factor in (0.97, 1.0, 1.03)]
    assert around[1] == min(around)
    assert 1 / 8 < found < 16


@given(st.integers(0, 1_000))
@drawn(5)
def test_one_label_in_a_padded_row_has_the_temperature_of_one_label(seed: int) -> None:
    hidden, table, bias = softmax_problem(seed, 2.0, classes=12, rows=200)
    labels = labels_of(seed, hidden, table, bias, 2.0)
    one = np.stack([labels, np.full(len(labels), -2)], axis=1)
    assert fitted(hidden, table, bias, one) == pytest.approx(fitted(hidden, table, bias, labels), rel=1e-3)


def cross_entropy(scale: float, shift: float, hidden, table, bias, labels) -> float:
    logits = scale * (hidden.astype(np.float64) @ table.T + bias) + shift
    wanted = np.zeros_like(logits)
    for row, of in enumerate(labels):
        wanted[row, of[of >= 0]] = 1
    known = wanted.sum(axis=1)
    rows = (np.logaddexp(0, logits) - wanted * logits).sum(axis=1)
    return float(np.mean((rows / np.maximum(known, 1))[known > 0]))


@given(seed=st.integers(0, 1_000), scale=st.floats(0.3, 3), shift=st.floats(-3, 1))
@drawn(10)
def test_scale_and_shift_have_the_least_cross_entropy(seed: int, scale: float, shift: float) -> None:
    hidden, table, bias = softmax_problem(seed, 1.0, classes=12, rows=300)
    rng = np.random.default_rng(seed)
    logits = scale * (hidden @ table.T + bias) + shift
    chosen = rng.uniform(size=logits.shape) < 1 / (1 + np.exp(-logits))
    labels = np.where(chosen, np.arange(12), -2)
    labels[::5, 0] = -1
    a, c = fit_platt(*(tf.constant(each) for each in (hidden, table, bias, labels)))
    least = cross_entropy(a, c, hidden, table, bias, labels)
    for change in ((0.02, 0), (-0.02, 0), (0, 0.02), (0, -0.02)):
        if 1 / 16 <= a + change[0] <= 8:
            assert least <= cross_entropy(a + change[0], c + change[1], hidden, table, bias, labels) + 1e-6
