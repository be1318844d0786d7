"""Tests of the bonus for the classes in a row's own history."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.layers.losses.labels import Labels
from components.layers.repeats.layer import Repeats
from tests.drawing import drawn

CLASSES, WIDTH = 100, 3


@st.composite
def histories(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    """Draw ids and ages, padded on the left, with ids outside the vocabulary, and the seed of all other numbers."""
    rows, length = draw(st.integers(1, 4)), draw(st.integers(1, 8))
    seed = draw(st.integers(0, 10**6))
    rng = np.random.default_rng(seed)
    # Few classes, so that some occur in several baskets. The classes from 100 on are no classes.
    ids = rng.choice([0, 3, 98, 99, 100, 101], (rows, length))
    ages = np.sort(rng.integers(1, 6, (rows, length)), axis=1)[:, ::-1].copy()
    padding = np.arange(length) < rng.integers(0, length + 1, (rows, 1))
    ids[padding], ages[padding] = CLASSES + 1, 0
    return ids, ages, seed


def random_layer(seed: int, baskets: int = 3) -> Repeats:
    layer = Repeats(CLASSES, baskets)
    layer.build()
    rng = np.random.default_rng(seed)
    for weight in layer.trainable_variables:
        weight.assign(rng.normal(size=weight.shape))
    return layer


def bonus_matrix(layer: Repeats, ids: np.ndarray, ages: np.ndarray) -> Any:
    """Compute the bonuses of all pairs of row and class with TensorFlow, differentiable in the weights."""
    among = (ids[:, :, np.newaxis] == np.arange(CLASSES)).astype(np.float32)
    decay = tf.sigmoid(layer.decay + layer.decays.value)
    powers = decay ** np.maximum(ages - 1, 0)[:, :, np.newaxis].astype(np.float32)
    size = np.minimum(np.maximum(ages.max(axis=1), 1), layer.baskets) - 1
    strength = layer.strength + layer.strengths.value + tf.gather(layer.sizes.value, size)[:, tf.newaxis]
    return tf.math.log(1.0 + tf.exp(strength) * tf.reduce_sum(among * powers, axis=1))


@drawn(30)
@given(history=histories())
def test_bonuses_are_those_of_the_formula(history: Any) -> None:
    ids, ages, seed = history
    layer = random_layer(seed)
    found = layer(tf.constant(ids), tf.constant(ages))
    dense = np.zeros((len(ids), CLASSES), np.float32)
    np.add.at(dense, (found.rows.numpy(), found.classes.numpy()), found.values.numpy())
    np.testing.assert_allclose(dense, bonus_matrix(layer, ids, ages), rtol=1e-4, atol=1e-5)
    assert len({*zip(found.rows.numpy(), found.classes.numpy(), strict=True)}) == len(found.rows)


@drawn(30)
@given(history=histories())
def test_loss_and_gradients_are_those_of_the_logits_of_all_classes(history: Any) -> None:
    ids, ages, seed = history
    layer, rng = random_layer(seed), np.random.default_rng(seed + 1)
    owned = rng.random((len(ids), CLASSES)) < 0.05
    labels = Labels.of(tf.ragged.constant([np.flatnonzero(row).tolist() for row in owned], tf.int64, ragged_rank=1))
    shares = (owned / np.maximum(owned.sum(axis=1, keepdims=True), 1)).astype(np.float32)
    softmax = [
        tf.Variable(rng.normal(size=s), dtype=tf.float32) for s in ((len(ids), WIDTH), (CLASSES, WIDTH), CLASSES)
    ]

    def plain() -> Any:
        hidden, table, bias = softmax
        logits = tf.matmul(hidden, table, transpose_b=True) + bias + bonus_matrix(layer, ids, ages)
        return -tf.reduce_sum(shares * tf.nn.log_softmax(logits), axis=1)

    def ours() -> Any:
        hidden, table, bias = (tf.convert_to_tensor(each) for each in softmax)
        return layer.row_losses((hidden, table, bias), tf.constant(ids), tf.constant(ages), labels)

    variables, results = [*softmax, *(v.value for v in layer.trainable_variables)], []
    for losses in (ours, plain):
        with tf.GradientTape() as tape:
            loss = losses()
        gradients = tape.gradient(loss, variables, unconnected_gradients="zero")
        results.append([loss, *(tf.convert_to_tensor(each) for each in gradients)])
    for found, expected in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_the_sweep_prefers_a_product_of_the_history() -> None:
    layer = Repeats(CLASSES)
    softmax = tf.zeros([2, WIDTH]), tf.zeros([CLASSES, WIDTH]), tf.zeros([CLASSES])
    ids, ages = tf.constant([[CLASSES, 7, 8], [CLASSES, CLASSES, CLASSES]]), tf.constant([[0, 2, 1], [0, 0, 0]])
    labels = Labels.of(tf.constant([[7, -1], [5, 0]]))
    found = layer.sweep_several(softmax, ids, ages, labels, k=3)
    np.testing.assert_array_equal(found.ids, [[8, 7, 0], [0, 1, 2]])
    np.testing.assert_array_equal(found.rank, [2, 6, 1])
    masses = np.ones(CLASSES)
    masses[[8, 7]] += np.exp(3) * np.array([1, 1 / (1 + np.exp(-2))])
    np.testing.assert_allclose(found.probabilities[0], masses[[8, 7, 0]] / masses.sum(), rtol=1e-5)
    np.testing.assert_allclose(found.nll[1:], np.log(100), rtol=1e-5)


def test_an_old_basket_has_finite_gradients() -> None:
    layer = random_layer(1)
    with tf.GradientTape() as tape:
        values = layer(tf.constant([[3]]), tf.constant([[100_000]])).values
    for gradient in tape.gradient(values, [v.value for v in layer.trainable_variables]):
        assert np.isfinite(tf.convert_to_tensor(gradient)).all()


def test_comes_back_from_its_configuration() -> None:
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(Repeats(7, 5, name="own")))
    assert (again.classes, again.baskets, again.name) == (7, 5, "own")
