"""Tests of numbers that are added to the logits of some classes of each row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.layers.losses import bonuses as module
from components.layers.losses import several_sweep, wide
from components.layers.losses.bonuses import Bonuses, full_loss_with
from components.layers.losses.labels import Labels
from components.layers.losses.several_labels import full_loss
from components.layers.losses.several_sweep import sweep_several
from tests.drawing import drawn

CLASSES = 100


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Draw hidden vectors, table, bias and bonuses, with the masks of the pairs with a bonus and of the labels."""
    batch, width, classes = draw(st.integers(1, 5)), draw(st.integers(1, 4)), draw(st.sampled_from([2, 9, CLASSES]))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    parts = [rng.normal(size=shape).astype(np.float32) for shape in ((batch, width), (classes, width), (classes,))]
    repeated = rng.random((batch, classes)) < draw(st.sampled_from([0.0, 0.1, 1.0]))
    owned = rng.random((batch, classes)) < draw(st.sampled_from([0.0, 0.1, 0.6]))
    size = draw(st.sampled_from([1.0, 30.0]))
    return [*parts, rng.normal(scale=size, size=repeated.sum()).astype(np.float32)], repeated, owned


def labels_of(owned: np.ndarray) -> Labels:
    return Labels.of(tf.ragged.constant([np.flatnonzero(row).tolist() for row in owned], tf.int64, ragged_rank=1))


def bonuses_of(repeated: np.ndarray, values: Any) -> Bonuses:
    rows, classes = np.nonzero(repeated)
    return Bonuses(tf.constant(classes, tf.int32), tf.constant(rows, tf.int32), tf.convert_to_tensor(values))


@pytest.mark.parametrize("chunk", [None, 7])
@drawn(40)
@given(problem=problems(), weight=st.floats(-2, 2))
def test_loss_and_gradients_are_those_of_all_logits(chunk: int | None, problem: Any, weight: float) -> None:
    parts, repeated, owned = problem
    variables = [tf.Variable(part) for part in parts]
    labels, at = labels_of(owned), np.argwhere(repeated)
    shares = (owned / np.maximum(owned.sum(axis=1, keepdims=True), 1)).astype(np.float32)

    def plain(hidden: Any, table: Any, bias: Any, values: Any) -> tf.Tensor:
        logits = tf.tensor_scatter_nd_add(tf.matmul(hidden, table, transpose_b=True) + bias, at, values)
        return -tf.reduce_sum(shares * tf.nn.log_softmax(logits), axis=1)

    def ours(hidden: Any, table: Any, bias: Any, values: Any) -> tf.Tensor:
        return full_loss_with(tf.convert_to_tensor(hidden), table, bias, bonuses_of(repeated, values), labels)

    results = []
    with pytest.MonkeyPatch.context() as patch:
        if chunk:
            patch.setattr(module, "CLASSES", 1)
            patch.setattr(wide, "CLASSES", chunk)
        for loss_of in (ours, plain):
            with tf.GradientTape() as tape:
                loss = loss_of(*variables)
                total = tf.reduce_sum(loss * (weight + np.arange(len(owned), dtype=np.float32)))
            gradients = tape.gradient(total, variables, unconnected_gradients="zero")
            results.append([loss, *(tf.convert_to_tensor(each) for each in gradients)])
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_without_bonuses_the_loss_is_the_plain_one() -> None:
    rng = np.random.default_rng(0)
    hidden, table, bias = (tf.constant(rng.normal(size=s), tf.float32) for s in ((3, 4), (CLASSES, 4), (CLASSES,)))
    labels = labels_of(rng.random((3, CLASSES)) < 0.1)
    none = bonuses_of(np.zeros((3, CLASSES), bool), tf.zeros([0]))
    np.testing.assert_allclose(
        full_loss_with(hidden, table, bias, none, labels), full_loss(hidden, table, bias, labels), rtol=1e-5
    )


@pytest.mark.parametrize("chunk", [None, 7])
@drawn(25)
@given(problem=problems(), logits_held=st.sampled_from([1, 10**6]), k=st.integers(0, 2))
def test_the_sweep_ranks_by_the_logits_with_bonuses(chunk: int | None, problem: Any, logits_held: int, k: int) -> None:
    # Whole numbers, so that logits are often equal.
    parts, repeated, owned = problem
    hidden, table, bias, values = (np.round(part) for part in parts)
    labels, logits = labels_of(owned), hidden @ table.T + bias
    logits[repeated] += values
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(several_sweep, "LOGITS", max(logits_held, len(bias)))
        if chunk:
            patch.setattr(several_sweep, "CLASSES", chunk)
        found = sweep_several(tf.constant(hidden), table, bias, labels, k=k, bonuses=bonuses_of(repeated, values))
    order = np.argsort(-logits, axis=1, kind="stable")
    np.testing.assert_array_equal(found.rank, (np.argsort(order, axis=1) + 1)[owned])
    np.testing.assert_array_equal(found.ids, order[:, :k])
    logs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    np.testing.assert_allclose(found.nll, -logs[owned], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.probabilities, np.exp(np.take_along_axis(logs, order[:, :k], 1)), rtol=1e-3)
