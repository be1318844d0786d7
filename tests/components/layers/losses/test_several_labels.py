import itertools
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.layers.forms.base import Step
from components.layers.forms.registry import FORMS
from components.layers.head import SampledSoftmax, step_seed
from components.layers.losses import one_label, wide
from components.layers.losses.labels import Labels, LossName
from components.layers.losses.several_labels import candidates_loss, full_loss
from tests.drawing import drawn

KINDS: tuple[LossName, ...] = ("softmax", "sigmoid")
COUNTS = [40, 20, 10, 5, 3]


def plain(hidden: Any, rows: Any, bias: Any, log_pi: Any, owned: np.ndarray, shares: np.ndarray, loss: LossName) -> Any:
    """Compute the formulas of the docstring with full matrices and automatic differentiation.

    Args:
        hidden: (batch, width).
        rows: (n, width).
        bias: (n,).
        log_pi: (candidates,).
        owned: (batch, n) bool, True for a label of the row.
        shares: (batch, n) shares.
        loss: Kind of loss.
    """
    logits = tf.matmul(hidden, rows, transpose_b=True) + bias
    n, count = owned.shape[1], len(log_pi)
    corrected = tf.concat([logits[:, :count] - log_pi, tf.fill([len(owned), n - count], -np.inf)], axis=1)
    if loss == "softmax":
        among = tf.where(owned, logits, corrected)
        mass = tf.reduce_sum(shares, axis=1)
        log_all = tf.where(mass > 0, tf.reduce_logsumexp(tf.where(mass[:, None] > 0, among, 0.0), axis=1), 0.0)
        return mass * log_all - tf.reduce_sum(shares * logits, axis=1)
    weight = tf.concat([tf.exp(-log_pi), tf.zeros(n - count)], axis=0)
    each = tf.where(owned, tf.nn.softplus(-logits), weight * tf.nn.softplus(logits))
    return tf.where(owned.any(axis=1), tf.reduce_sum(each, axis=1), 0.0)


def labels_of(owned: np.ndarray) -> Labels:
    return Labels.of(tf.ragged.constant([np.flatnonzero(row).tolist() for row in owned], tf.int64, ragged_rank=1))


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[tf.Variable], tf.Tensor, np.ndarray, np.ndarray]:
    batch, width, count, after = (draw(st.integers(*ends)) for ends in ((1, 5), (1, 4), (1, 7), (0, 3)))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    n = count + after
    variables = [tf.Variable(rng.normal(size=shape), dtype=tf.float32) for shape in ((batch, width), (n, width), (n,))]
    log_pi = np.log(rng.uniform(0.1, 1, count))
    log_pi[1:][rng.random(count - 1) < 0.2] = np.inf
    owned = rng.random((batch, n)) < draw(st.sampled_from([0.1, 0.4, 1.0]))
    return variables, tf.constant(log_pi, tf.float32), owned, rng.normal(size=batch).astype(np.float32)


def compared(functions: Any, variables: list[tf.Variable], weights: np.ndarray) -> None:
    results = []
    for loss_of in functions:
        with tf.GradientTape() as tape:
            loss = loss_of(*variables)
            total = tf.reduce_sum(loss * weights)
        results.append([loss, *(tf.convert_to_tensor(each) for each in tape.gradient(total, variables))])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=5e-5)


@pytest.mark.parametrize("loss", KINDS)
@drawn(40)
@given(problem=problems())
def test_loss_and_gradients_are_those_of_the_plain_formula(loss: LossName, problem: Any) -> None:
    variables, log_pi, owned, weights = problem
    labels = labels_of(owned)
    shares = (owned / np.maximum(owned.sum(axis=1, keepdims=True), 1)).astype(np.float32)
    compared(
        [
            lambda hidden, rows, bias: candidates_loss(hidden, rows, bias, log_pi, labels.classes, labels, loss),
            lambda hidden, rows, bias: plain(hidden, rows, bias, log_pi, owned, shares, loss),
        ],
        variables,
        weights,
    )


@pytest.mark.parametrize("loss", KINDS)
@drawn(20)
@given(problem=problems(), chunk=st.integers(1, 4))
def test_chunks_of_classes_change_nothing(loss: LossName, problem: Any, chunk: int) -> None:
    variables, _, owned, weights = problem
    labels = labels_of(owned)

    with pytest.MonkeyPatch.context() as patch:
        with tf.GradientTape() as tape:
            whole = full_loss(*variables, labels, loss)
        expected = [whole, *tape.gradient(whole, variables, output_gradients=tf.constant(weights))]
        patch.setattr(wide, "CLASSES", chunk)
        with tf.GradientTape() as tape:
            parts = full_loss(*variables, labels, loss)
        found = [parts, *tape.gradient(parts, variables, output_gradients=tf.constant(weights))]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=5e-5)


def test_one_label_has_the_loss_of_one_label() -> None:
    rng = np.random.default_rng(3)
    variables = [tf.Variable(rng.normal(size=shape), dtype=tf.float32) for shape in ((5, 4), (9, 4), (9,))]
    log_pi = tf.constant(np.log(rng.uniform(0.1, 1, 6)), tf.float32)
    own = tf.constant(rng.integers(0, 9, 5), tf.int32)
    labels = Labels(own, tf.range(5), tf.ones(5))
    compared(
        [
            lambda *of: candidates_loss(*of, log_pi, own, labels),
            lambda *of: one_label.candidates_loss(*of, log_pi, own),
        ],
        variables,
        np.ones(5, np.float32),
    )


@pytest.mark.parametrize("form", ["own", "shared"])
@pytest.mark.parametrize("fixed_shape", [False, True])
def test_the_sums_over_the_candidates_are_unbiased(form: str, fixed_shape: bool) -> None:
    """Over all pairs of draws, each with its probability."""
    head = SampledSoftmax(COUNTS, 2, fixed_shape=fixed_shape)
    head.build((None, 3))
    rng = np.random.default_rng(2)
    head.table.assign(rng.normal(size=(5, 3)))
    hidden = tf.constant(rng.normal(size=(3, 3)), tf.float32)
    labels = Labels.of(tf.ragged.constant([[0, 3], [], [4]]))
    q = head.proposal.probabilities
    logits = head(hidden).numpy()

    def expectation(loss: LossName) -> tuple[np.ndarray, np.ndarray]:
        value, slope = np.zeros(3), np.zeros((5, 3))
        for draws in itertools.product(range(5), repeat=2):
            proposal = Fixed(head.proposal, draws)
            known = tf.ones_like(labels.classes, tf.bool)
            step = Step(
                hidden, labels.classes, known, step_seed(0, 0), head.rows, head.all_rows, proposal,  # pyright: ignore[reportArgumentType]
                fixed_shape=fixed_shape,
            )  # fmt: skip
            with tf.GradientTape() as tape:
                losses = FORMS[form]().losses_of_several(step, labels, loss)
                # exp(cross entropy + mean logit) is the estimate of the normalizer.
                summed = tf.exp(losses + target) if loss == "softmax" else losses
            weight = q[draws[0]] * q[draws[1]]
            value += weight * summed.numpy()
            slope += weight * tf.convert_to_tensor(tape.gradient(summed, head.table.value)).numpy()
        return value, slope

    target = tf.constant([logits[0, [0, 3]].mean(), 0.0, logits[2, 4]])
    for loss in KINDS:
        with tf.GradientTape() as tape:
            losses = head.exact_loss_of_several(hidden, labels, loss)
            summed = tf.exp(losses + target) if loss == "softmax" else losses
        value, slope = expectation(loss)
        np.testing.assert_allclose(value, summed, rtol=1e-4)
        np.testing.assert_allclose(slope, tape.gradient(summed, head.table.value), rtol=1e-3, atol=1e-4)


class Fixed:
    """Proposal whose draws are given."""

    def __init__(self, proposal: Any, draws: tuple[int, ...]) -> None:
        self.draws, self.log_inclusion = len(draws), proposal.log_inclusion
        self._drawn = tf.constant(draws, tf.int32)

    def draw(self, seed: tf.Tensor) -> tf.Tensor:
        return self._drawn


@pytest.mark.parametrize("loss", KINDS)
def test_a_row_whose_labels_are_all_classes_and_one_without_labels_are_finite(loss: LossName) -> None:
    head = SampledSoftmax(COUNTS, 3)
    head.build((None, 2))
    hidden = tf.constant([[50.0, 1.0], [3.0, 4.0]])
    labels = Labels.of(tf.ragged.constant([[0, 1, 2, 3, 4], [-1]]))
    with tf.GradientTape() as tape:
        losses = head.sampled_loss_of_several(hidden, labels, step_seed(0, 1), loss)
    gradient = tf.convert_to_tensor(tape.gradient(losses, head.table.value)).numpy()
    assert losses.numpy()[1] == 0
    assert np.isfinite(losses).all()
    assert np.isfinite(gradient).all()
    np.testing.assert_allclose(losses, head.exact_loss_of_several(hidden, labels, loss), rtol=1e-5)


def test_the_gradient_is_sparse_and_only_of_candidates_and_labels() -> None:
    head = SampledSoftmax([9] * 50, 4)
    head.build((None, 2))
    labels = Labels.of(tf.ragged.constant([[40, 7], [8]]))
    with tf.GradientTape() as tape:
        losses = head.sampled_loss_of_several(tf.ones([2, 2]), labels, step_seed(0, 1))
    (gradient,) = tape.gradient(losses, [head.table.value])
    assert isinstance(gradient, tf.IndexedSlices)
    drawn = set(head.proposal.draw(step_seed(0, 1)).numpy().tolist())
    assert set(gradient.indices.numpy().tolist()) == drawn | {40, 7, 8}


def test_unknown_labels_are_left_out_and_the_others_share_the_mass() -> None:
    labels = Labels.of(tf.ragged.constant([[3, -1, 1], [], [-1]]))
    assert labels.classes.numpy().tolist() == [3, 1]
    assert labels.rows.numpy().tolist() == [0, 0]
    assert labels.shares.numpy().tolist() == [0.5, 0.5]
