"""Tests of the gate and the loss of a mixture, and of its bias under a sampled softmax."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from scipy import optimize

from components.baselines.counting import packed
from components.baselines.models.tables import tables_of
from components.layers.head import SampledSoftmax
from components.layers.mixture.gate import Gate, mixture_loss
from components.layers.mixture.layer import NgramMixture


def test_loss_and_gradient_equal_the_naive_form() -> None:
    rng = np.random.default_rng(0)
    losses, logits = tf.constant(rng.normal(2, 2, 50), tf.float32), tf.constant(rng.normal(size=(50, 3)), tf.float32)
    others = [tf.constant(rng.uniform(0.01, 1, 50), tf.float32) for _ in range(2)]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([losses, logits])
        stable = mixture_loss(losses, tf.nn.log_softmax(logits), others)
        parts = tf.stack([tf.exp(-losses), *others], axis=1)
        naive = -tf.math.log(tf.reduce_sum(tf.nn.softmax(logits) * parts, axis=1))
    np.testing.assert_allclose(stable, naive, rtol=1e-4, atol=1e-6)
    of = [losses, logits]
    for mine, wanted in zip(tape.gradient(stable, of), tape.gradient(naive, of), strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=1e-3, atol=1e-6)


def test_loss_is_finite_where_probabilities_vanish() -> None:
    losses, logits = tf.constant([500.0, 1.0, 500.0]), tf.constant([[60.0, 0, 0], [-200.0, 0, 9], [200.0, 0, -1e9]])
    # The cache of the first two rows does not have the label.
    others = [tf.constant([1e-30, 1e-30, 1e-30]), tf.zeros(3)]
    with tf.GradientTape() as tape:
        tape.watch([losses, logits, *others])
        found = mixture_loss(losses, tf.nn.log_softmax(logits), others)
    assert np.isfinite(found).all()
    assert all(np.isfinite(each).all() for each in tape.gradient(found, [losses, logits, *others]))


def test_the_gate_starts_with_four_parts_of_the_model_for_one_of_the_counts() -> None:
    gate = Gate(features=2)
    gate.build((None, 3))
    np.testing.assert_allclose(tf.exp(gate(tf.ones((4, 3)), tf.ones((4, 2)))), [[0.8, 0.2]] * 4, rtol=1e-6)


def test_a_row_without_a_cache_shares_among_the_others() -> None:
    gate = Gate(features=2, firsts=[0.25, 1.0])
    gate.build((None, 3))
    missing = [tf.constant([True, False]), tf.constant([True, True])]
    shares = tf.exp(gate(tf.ones((2, 3)), tf.ones((2, 2)), missing))
    np.testing.assert_allclose(shares, [[0.8, 0.2, 0.0, 0.0], [16 / 21, 4 / 21, 1 / 21, 0.0]], rtol=1e-6)


def test_the_calibration_finds_the_best_scale_and_shift() -> None:
    """The gate believes too much in the model, as after a training. L-BFGS finds the same shares."""
    rng = np.random.default_rng(3)
    labels, width = 4_000, 3
    hidden, features = rng.normal(size=(labels, width)), rng.normal(size=(labels, 2))
    gate = Gate(features=2, firsts=[0.25])
    gate.build((None, width))
    kernel, context_kernel = rng.normal(size=(width, 2)), rng.normal(size=(2, 2))
    gate.kernel.assign(2 * kernel)
    gate.context_kernel.assign(2 * context_kernel)
    missing = rng.random(labels) < 0.3
    # The part that is right follows the true shares, which are half as steep and favor the model less.
    z = hidden @ kernel + features @ context_kernel - [1.0, 0.5]
    z = np.stack([z[:, 0], 0 * z[:, 0], np.where(missing, -1e9, z[:, 1])], axis=1)
    true = np.exp(z - np.logaddexp.reduce(z, axis=1)[:, np.newaxis])
    right = (rng.random((labels, 1)) > np.cumsum(true, axis=1)).sum(axis=1)
    logs = np.log(np.where(right[:, np.newaxis] == np.arange(3), 0.5, 0.01))

    def shares() -> np.ndarray:
        return gate(tf.constant(hidden, tf.float32), tf.constant(features, tf.float32), [tf.constant(missing)]).numpy()

    def nll(log_shares: np.ndarray) -> float:
        return -np.logaddexp.reduce(log_shares + logs, axis=1).mean()

    before = shares()
    trained = np.maximum(before - before[:, 1:2], -1e9)

    def loss(parameters: np.ndarray) -> float:
        scale, shift = np.array([parameters[0], 0, parameters[1]]), np.array([parameters[2], 0, parameters[3]])
        fitted = scale * trained + shift
        prior = 10 / labels * np.sum((parameters - [1, 1, 0, 0]) ** 2)
        return nll(fitted - np.logaddexp.reduce(fitted, axis=1)[:, np.newaxis]) + prior

    best = optimize.minimize(loss, [1.0, 1.0, 0.0, 0.0], method="L-BFGS-B").x
    of_data = (tf.constant(each, tf.float32) for each in (hidden, features))
    gate.calibrate(*of_data, [tf.constant(missing)], tf.constant(logs, tf.float32))
    after = shares()
    fitted = trained * [best[0], 0, best[1]] + [best[2], 0, best[3]]
    expected = fitted - np.logaddexp.reduce(fitted, axis=1)[:, np.newaxis]
    np.testing.assert_allclose(np.exp(after), np.exp(expected), atol=5e-3)
    assert nll(after) < nll(before) - 0.02
    assert nll(after) < nll(np.log(np.maximum(true, 1e-30))) + 5e-3
    np.testing.assert_allclose(best[:2], 0.5, atol=0.15)


def test_one_label_hardly_moves_the_gate() -> None:
    gate = Gate(features=1)
    gate.build((None, 1))
    before = tf.exp(gate(tf.zeros((1, 1)), tf.zeros((1, 1))))
    gate.calibrate(tf.zeros((1, 1)), tf.zeros((1, 1)), [], tf.math.log([[0.001, 0.9]]))
    after = tf.exp(gate(tf.zeros((1, 1)), tf.zeros((1, 1))))
    assert before[0, 1] < after[0, 1] < before[0, 1] + 0.05


def test_training_leaves_the_example_out_and_evaluation_does_not() -> None:
    keys, counts = np.unique(packed(np.zeros((3, 1), np.int64), np.array([1, 1, 2]), 6, 4), return_counts=True)
    mixture = NgramMixture(tables_of(keys, counts, order=2, n_contexts=6, n_classes=4))
    mixture.build((None, 2))
    hidden, context, labels = tf.zeros((3, 2)), tf.zeros((3, 1), tf.int64), tf.constant([1, 2, -1])
    uniform = tf.fill([3], np.log(4.0).astype(np.float32))
    trained = mixture.row_losses(hidden, context, labels, uniform)
    evaluated = mixture.sweep(hidden, (hidden, tf.zeros((4, 2)), tf.zeros(4)), context, labels).nll
    assert trained[1] > evaluated[1] + 0.1, "class 2 was seen once after 0: training must not count this occurrence"
    assert trained[2] == evaluated[2] == 0.0


def test_rows_without_a_label_or_without_a_count_have_finite_gradients() -> None:
    keys, counts = np.array([0 * 4 + 1]), np.array([2])
    mixture = NgramMixture(tables_of(keys, counts, order=2, n_contexts=6, n_classes=4))
    mixture.build((None, 2))
    hidden, context = tf.ones((3, 2)), tf.constant([[0], [0], [5]])
    with tf.GradientTape() as tape:
        tape.watch(hidden)
        losses = mixture.row_losses(hidden, context, tf.constant([-1, 3, -1]), tf.reduce_sum(hidden, axis=1))
    assert np.isfinite(losses).all()
    assert np.isfinite(tape.gradient(losses, hidden)).all()


def test_the_model_learns_from_its_own_loss_and_the_gate_from_the_mixture() -> None:
    keys, counts = np.array([0 * 4 + 1, 0 * 4 + 2]), np.array([4, 3])
    mixture = NgramMixture(tables_of(keys, counts, order=2, n_contexts=6, n_classes=4))
    mixture.build((None, 2))
    hidden, context = tf.zeros((2, 2)), tf.constant([[0], [0]])
    model_losses, labels = tf.constant([1.0, 2.0]), tf.constant([1, 2])
    gate = mixture.gate.trainable_variables[-1].value
    with tf.GradientTape() as tape:
        tape.watch(model_losses)
        losses = mixture.row_losses(hidden, context, labels, model_losses)
    of_model, of_gate = tape.gradient(losses, [model_losses, gate])
    np.testing.assert_allclose(of_model, [1.0, 1.0])
    found = mixture.counts.find(context, labels, leave_out=True)
    with tf.GradientTape() as tape:
        plain = mixture_loss(model_losses, mixture.gate(hidden, found.features), [found.probability])
    np.testing.assert_allclose(losses, plain, rtol=1e-5)
    np.testing.assert_allclose(of_gate, tape.gradient(plain, gate), rtol=1e-5)
    assert (of_gate.numpy() != 0).any()


def test_bias_of_the_sampled_loss_falls_with_the_draws() -> None:
    """The estimate is too low by about var(sum) / (2 sum^2), so the bias falls as 1 / S."""
    rng = np.random.default_rng(0)
    classes, width, rows = 2_000, 16, 64
    occurrences = np.maximum(1, 50_000 // np.arange(1, classes + 1))
    hidden, table = (rng.normal(size=(n, width)).astype(np.float32) for n in (rows, classes))
    labels = tf.constant(rng.choice(classes, rows, p=occurrences / occurrences.sum()))
    gate, counted = tf.tile(tf.math.log([[0.8, 0.2]]), [rows, 1]), [tf.fill([rows], 1e-3)]
    biases = {}
    for draws in (32, 256):
        head = SampledSoftmax(occurrences, negatives=draws, form="own")
        head.build((None, width))
        head.table.assign(0.3 * table)
        sampled = tf.function(head.sampled_loss, autograph=False)
        found = [mixture_loss(sampled(hidden, labels, tf.constant([1, step])), gate, counted) for step in range(200)]
        exact = mixture_loss(head.exact_loss(hidden, labels), gate, counted)
        biases[draws] = float(tf.reduce_mean(found) - tf.reduce_mean(exact))
    assert -0.5 < biases[32] < 4 * biases[256] < 0, biases
