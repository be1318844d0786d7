from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.layers.losses import several_sweep as module
from components.layers.losses.labels import Labels, LossName
from components.layers.losses.several_labels import full_loss
from components.layers.losses.several_sweep import sweep_several
from tests.drawing import drawn

KINDS: tuple[LossName, ...] = ("softmax", "sigmoid")


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[np.ndarray], list[list[int]], int]:
    batch, width, classes = draw(st.integers(0, 5)), draw(st.integers(1, 3)), draw(st.integers(2, 30))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    # Whole numbers, so that logits are often equal.
    arrays = [rng.integers(-2, 3, shape).astype(np.float32) for shape in ((batch, width), (classes, width), (classes,))]
    labels = [sorted(rng.permutation(classes)[: rng.integers(0, classes + 1)].tolist()) for _ in range(batch)]
    return arrays, labels, draw(st.integers(0, classes))


@pytest.mark.parametrize("loss", KINDS)
@pytest.mark.parametrize("chunk", [None, 7])
@drawn(25)
@given(problem=problems(), logits_held=st.sampled_from([1, 40, 10**6]))
def test_ranks_and_probabilities_are_those_of_all_logits(
    loss: LossName, chunk: int | None, problem: Any, logits_held: int
) -> None:
    (hidden, table, bias), rows, k = problem
    labels = Labels.of(
        tf.ragged.constant(rows, tf.int64, ragged_rank=1) if rows else tf.ragged.constant([], ragged_rank=1)
    )
    logits = hidden @ table.T + bias
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LOGITS", max(logits_held, len(bias)))
        if chunk:
            patch.setattr(module, "CLASSES", chunk)
        found = sweep_several(tf.constant(hidden), table, bias, labels, loss, k)
    order = np.argsort(-logits, axis=1, kind="stable")
    rank = np.argsort(order, axis=1) + 1
    expected = [rank[row, label] for row, of in enumerate(rows) for label in of]
    np.testing.assert_array_equal(found.rank, np.array(expected, int))
    np.testing.assert_array_equal(found.ids, order[:, :k])
    exact = (
        np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))
        if loss == "softmax"
        else 1 / (1 + np.exp(-logits))
    )
    np.testing.assert_allclose(found.probabilities, np.take_along_axis(exact, order[:, :k], axis=1), rtol=1e-4)
    # The mean over the labels of a row is the loss of the row, or its share.
    by_row = full_loss(tf.constant(hidden), tf.constant(table), tf.constant(bias), labels, loss)
    sums = labels.sums(found.nll, len(rows)).numpy()
    sizes = np.array([len(of) for of in rows], np.float32)
    np.testing.assert_allclose(sums / np.maximum(sizes, 1) if loss == "softmax" else sums, by_row, rtol=1e-4, atol=1e-4)
