"""Tests of an output of several labels with `Repeats`: loss, measurement and calibration against all logits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from components.layers.head import SampledSoftmax
from components.layers.losses.labels import PADDING
from components.layers.outputs import ClassOutput
from components.layers.repeats.layer import Repeats

CLASSES, WIDTH, ROWS = 9, 4, 6
LABELS = np.array(
    [[0, 3, PADDING], [5, -1, PADDING], [-1, PADDING, PADDING], [8, 1, 2], [4, PADDING, PADDING], [7, 6, 0]]
)


@pytest.fixture(scope="module")
def output() -> ClassOutput:
    """Return an output with random bonuses and temperature 2."""
    found = ClassOutput(
        SampledSoftmax(range(1, CLASSES + 1), similarity="cosine"), loss="softmax", repeats=Repeats(CLASSES)
    )
    found.build((None, WIDTH))
    rng = np.random.default_rng(0)
    for weight in found.repeats.trainable_variables:
        weight.assign(rng.normal(size=weight.shape))
    found.temperature.assign(2.0)
    return found


@pytest.fixture(scope="module")
def inputs() -> dict[str, tf.Tensor]:
    rng = np.random.default_rng(1)
    ages = np.sort(rng.integers(0, 4, (ROWS, 5)), axis=1)
    classes = np.where(ages[:, ::-1] > 0, rng.integers(-1, CLASSES, (ROWS, 5)), -1)
    context = np.stack([classes, ages[:, ::-1]], axis=-1).astype(np.int32)
    hidden = rng.normal(size=(ROWS, WIDTH)).astype(np.float32)
    return {"hidden": tf.constant(hidden), "context": tf.constant(context)}


def nlls(logits: Any) -> np.ndarray:
    """Return the mean nll of the known labels of each row, 0 without one."""
    log_p = tf.nn.log_softmax(logits).numpy()
    return np.array([-np.mean([log_p[i, j] for j in row if j >= 0] or [0.0]) for i, row in enumerate(LABELS)])


def test_the_bonus_is_in_the_logits(output: ClassOutput, inputs: dict[str, tf.Tensor]) -> None:
    classes, ages = inputs["context"][..., 0], inputs["context"][..., 1]
    bonuses = output.repeats(classes, ages)
    assert len(bonuses.values)
    assert np.all(bonuses.values.numpy() > 0)
    plain = output.head(inputs["hidden"]).numpy()
    np.add.at(plain, (bonuses.rows.numpy(), bonuses.classes.numpy()), bonuses.values.numpy())
    np.testing.assert_allclose(output(**inputs), plain / 2.0, rtol=1e-4, atol=1e-5)


def test_the_training_loss_is_over_all_classes_without_the_temperature(
    output: ClassOutput, inputs: dict[str, tf.Tensor]
) -> None:
    losses = output.row_losses(inputs["hidden"], tf.constant(LABELS), tf.constant([1, 2]), inputs["context"])
    np.testing.assert_allclose(losses, nlls(2.0 * output(**inputs)), rtol=1e-4, atol=1e-5)


def test_values_and_answers_have_the_bonus_and_the_temperature(
    output: ClassOutput, inputs: dict[str, tf.Tensor]
) -> None:
    logits = output(**inputs)
    values = output.row_values(targets=tf.constant(LABELS), confidence=True, **inputs)
    np.testing.assert_allclose(tf.reduce_sum(values["nll"], axis=1), nlls(logits), rtol=1e-4, atol=1e-5)
    ranks = 1 + np.argsort(np.argsort(-logits.numpy(), axis=1), axis=1)
    known = LABELS >= 0
    np.testing.assert_array_equal(values["rank"].numpy()[known], ranks[np.nonzero(known)[0], LABELS[known]])
    found = output.sweep_several(inputs["hidden"], k=3, context=inputs["context"])
    top = tf.math.top_k(tf.nn.softmax(logits), 3)
    np.testing.assert_array_equal(found.ids, top.indices)
    np.testing.assert_allclose(found.probabilities, top.values, rtol=1e-4)
    np.testing.assert_allclose(values["confidence"], top.values[:, 0], rtol=1e-4)


def test_the_temperature_divides_the_bonus_too(output: ClassOutput, inputs: dict[str, tf.Tensor]) -> None:
    before = float(output.temperature.numpy())
    logits = before * output(**inputs)
    output.fit_temperature(labels=tf.constant(LABELS), **inputs)
    fitted = float(output.temperature.numpy())
    output.temperature.assign(before)
    known = (LABELS >= 0).any(axis=1)
    candidates = np.geomspace(1 / 8, 16, 400)
    best = min(candidates, key=lambda temperature: nlls(logits / temperature)[known].mean())
    np.testing.assert_allclose(fitted, best, rtol=0.02)
