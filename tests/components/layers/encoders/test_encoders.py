"""Tests of the contract of all kinds of encoders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.components.layers.encoders.conftest import KINDS, make

Windows = Callable[[int], dict[str, np.ndarray]]
SEED = tf.constant([3, 4])


def test_gives_float32_vectors_of_its_width(kind: str, batch: Windows) -> None:
    encoder = make(kind)
    vectors = encoder(batch(3))
    assert vectors.dtype == tf.float32
    assert vectors.shape == (6, encoder.width)
    assert np.ptp(vectors, axis=0).max() > 0


def test_its_tables_are_found_by_name(kind: str) -> None:
    encoder = make(kind)
    assert encoder.embedding.embeddings.shape == (31, KINDS[kind].get("embedding", 5))
    assert {name: layer.embeddings.shape for name, layer in encoder.categories.items()} == {"a/b": (4, 3)}
    assert make(kind, features=False).categories == {}


def test_the_same_seed_makes_the_same_weights_and_another_does_not(kind: str) -> None:
    first, again, other = make(kind, seed=1), make(kind, seed=1), make(kind, seed=2)
    for a, b in zip(first.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(first.get_weights(), other.get_weights(), strict=True))
    assert [v.path for v in first.weights] == [v.path for v in again.weights]


def test_dropout_follows_from_the_seed_alone_and_is_off_without(kind: str, batch: Windows) -> None:
    encoder, windows = make(kind, dropout=0.4), batch(3)
    dropped = encoder(windows, dropout_seed=SEED).numpy()
    before = [v.numpy() for v in encoder.variables]
    np.testing.assert_array_equal(encoder(windows, dropout_seed=SEED), dropped)
    for a, v in zip(before, encoder.variables, strict=True):
        np.testing.assert_array_equal(a, v)
    assert (encoder(windows, dropout_seed=SEED + 1) != dropped).numpy().any()
    np.testing.assert_array_equal(encoder(windows), encoder(windows))


def test_every_trained_weight_gets_a_gradient(kind: str, batch: Windows) -> None:
    encoder, windows = make(kind), batch(3)
    goal = tf.random.stateless_normal([6, encoder.width], [1, 2])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum((encoder(windows, dropout_seed=SEED) - goal) ** 2)
    for variable, gradient in zip(
        encoder.trainable_variables, tape.gradient(loss, [v.value for v in encoder.trainable_variables]), strict=True
    ):
        assert gradient is not None, variable.path
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 0, variable.path


def test_comes_back_from_its_configuration(kind: str, batch: Windows) -> None:
    encoder = make(kind)
    again = type(encoder).from_config(encoder.get_config())
    again.build({"input_ids": (None, 3), "year": (None,), "a/b": (None,)})
    windows = batch(3)
    np.testing.assert_array_equal(again(windows), encoder(windows))


@pytest.mark.filterwarnings("ignore:When providing `inputs` as a dict")
def test_is_saved_and_loaded_in_a_keras_model(kind: str, batch: Windows, tmp_path: Path) -> None:
    encoder, windows = make(kind), batch(3)
    columns = {
        "input_ids": keras.Input((3,), dtype="int32", name="input_ids"),
        "year": keras.Input((), name="year"),
        "a/b": keras.Input((), dtype="int32", name="a_b"),
    }
    model = keras.Model(columns, encoder(columns))
    changed = [weight + np.asarray(1, weight.dtype) for weight in model.get_weights()]
    model.set_weights(changed)
    model.save(tmp_path / "encoder.keras")
    loaded: Any = keras.models.load_model(tmp_path / "encoder.keras")
    for a, b in zip(loaded.get_weights(), changed, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(loaded(windows), encoder(windows))


def test_works_without_features(kind: str, batch: Windows) -> None:
    encoder = make(kind, features=False)
    assert encoder({"input_ids": batch(3)["input_ids"]}).shape == (6, encoder.width)


def test_one_input_is_enough() -> None:
    for kind in KINDS:
        encoder = make(kind, context=1, features=False)
        assert encoder({"input_ids": np.array([[3], [5]])}).shape == (2, encoder.width)
