"""Tests of the weights of classes: their values, and the loss and the gradient of one and of several labels."""

from __future__ import annotations

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
from components.layers.losses import wide
from components.layers.losses.class_weights import class_weights
from components.layers.losses.labels import Labels, LossName
from components.layers.losses.several_labels import candidates_loss, full_loss
from components.layers.outputs import ClassOutput
from tests.components.layers.losses.test_several_labels import (
    COUNTS,
    KINDS,
    Fixed,
    compared,
    labels_of,
    plain,
    problems,
)
from tests.drawing import drawn

HIDDEN = tf.constant([[1.0, -2.0, 0.5], [0.3, 0.1, -1.0], [2.0, 1.0, 0.0]])


@given(counts=st.lists(st.integers(1, 10**6), min_size=1, max_size=30), power=st.floats(0.0, 1.0))
@drawn()
def test_the_mean_over_all_occurrences_is_1_and_rare_classes_weigh_more(counts: list[int], power: float) -> None:
    weights = class_weights(counts, power).astype(float)
    assert weights @ counts / sum(counts) == pytest.approx(1, rel=1e-5)
    ratio = (counts[0] / counts[-1]) ** power
    assert weights[-1] == pytest.approx(weights[0] * ratio, rel=1e-5)
    balanced = sum(counts) / (len(counts) * np.array(counts))
    np.testing.assert_allclose(class_weights(counts, 1.0), balanced, rtol=1e-5)


def made(power: float, loss: LossName | None = None, negatives: int = 2) -> ClassOutput:
    output = ClassOutput(SampledSoftmax(COUNTS, negatives, seed=3), loss=loss, class_weight_power=power)
    output.build((None, 3))
    output.head.table.assign(np.random.default_rng(2).normal(size=(5, 3)))
    return output


@pytest.mark.parametrize("negatives", [2, 64])
def test_a_class_multiplies_the_loss_of_a_row_and_not_the_draws(negatives: int) -> None:
    labels, seed = tf.constant([4, 0, -1]), step_seed(1, 7)
    found = []
    for power in (0.0, 0.5):
        output = made(power, negatives=negatives)
        with tf.GradientTape(persistent=True) as tape:
            losses = output.row_losses(HIDDEN, labels, seed)
            each = tf.unstack(losses)
        gradients = [tf.convert_to_tensor(tape.gradient(loss, output.head.table.value)).numpy() for loss in each]
        found.append((losses.numpy(), gradients))
    factors = [*class_weights(COUNTS, 0.5)[[4, 0]], 1.0]
    for (plain_loss, plain_gradients), (loss, gradients) in [found]:
        np.testing.assert_allclose(loss, plain_loss * factors, rtol=1e-6)
        for factor, before, after in zip(factors, plain_gradients, gradients, strict=True):
            np.testing.assert_allclose(after, factor * before, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("loss", KINDS)
def test_equal_frequencies_have_the_weight_1(loss: LossName) -> None:
    targets = tf.constant([[0, 3], [1, -2], [-1, 2]])
    losses = []
    for power in (0.0, 1.0):
        output = ClassOutput(SampledSoftmax([7] * 5, 2), loss=loss, class_weight_power=power)
        output.build((None, 3))
        losses.append(output.row_losses(HIDDEN, targets, step_seed(1, 1)))
    np.testing.assert_allclose(*losses, rtol=1e-6)


@pytest.mark.parametrize("loss", KINDS)
@drawn(6)
@given(problem=problems(), chunk=st.integers(1, 4), seed=st.integers(0, 1000))
def test_loss_and_gradients_of_several_labels_are_those_of_the_plain_formula(
    loss: LossName, problem: Any, chunk: int, seed: int
) -> None:
    variables, log_pi, owned, upstream = problem
    factors = np.random.default_rng(seed).uniform(0.1, 5, owned.shape[1]).astype(np.float32)
    labels = labels_of(owned).by_class(tf.constant(factors))
    shares = owned / np.maximum(owned.sum(axis=1, keepdims=True), 1) * factors

    def formula(log_pi: Any) -> Any:
        def of(hidden: Any, rows: Any, bias: Any) -> Any:
            losses = plain(hidden, rows, bias, log_pi, owned, shares.astype(np.float32), loss)
            if loss == "softmax":
                return losses
            logits = tf.matmul(hidden, rows, transpose_b=True) + bias
            more = tf.where(owned, (factors - 1.0) * tf.nn.softplus(-logits), 0.0)
            return losses + tf.reduce_sum(more, axis=1)

        return of

    sampled = lambda hidden, rows, bias: candidates_loss(hidden, rows, bias, log_pi, labels.classes, labels, loss)  # noqa: E731
    compared([sampled, formula(log_pi)], variables, upstream)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wide, "CLASSES", chunk)
        in_chunks = lambda hidden, rows, bias: full_loss(hidden, rows, bias, labels, loss)  # noqa: E731
        compared([in_chunks, formula(tf.zeros(owned.shape[1]))], variables, upstream)


def test_the_sampled_sigmoid_loss_with_weights_is_unbiased() -> None:
    """Over all pairs of draws, each with its probability."""
    head = made(0.0).head
    labels = Labels.of(tf.ragged.constant([[0, 3], [], [4]])).by_class(tf.constant(class_weights(COUNTS, 1.0)))
    value, slope = np.zeros(3), np.zeros((5, 3))
    q = head.proposal.probabilities
    for draws in itertools.product(range(5), repeat=2):
        known = tf.ones_like(labels.classes, tf.bool)
        step = Step(
            HIDDEN, labels.classes, known, step_seed(0, 0), head.rows, head.all_rows, Fixed(head.proposal, draws)  # pyright: ignore[reportArgumentType]
        )  # fmt: skip
        with tf.GradientTape() as tape:
            losses = FORMS["own"]().losses_of_several(step, labels, "sigmoid")
        chance = q[draws[0]] * q[draws[1]]
        value += chance * losses.numpy()
        slope += chance * tf.convert_to_tensor(tape.gradient(losses, head.table.value)).numpy()
    with tf.GradientTape() as tape:
        exact = head.exact_loss_of_several(HIDDEN, labels, "sigmoid")
    np.testing.assert_allclose(value, exact, rtol=1e-4)
    np.testing.assert_allclose(slope, tape.gradient(exact, head.table.value), rtol=1e-3, atol=1e-4)
