"""Tests of the features of tokens in all kinds of encoders."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from pydantic import TypeAdapter

from components.layers.encoders.base import Encoder
from components.layers.encoders.registry import ModelSpec
from tests.components.layers.encoders.conftest import KINDS, PADDING, every_window, inputs, make, token_features

NAMES = ("column/price", "column/kind")
SPECS = {kind: TypeAdapter(ModelSpec).validate_python(keys) for kind, keys in KINDS.items()}
READERS = [kind for kind, spec in SPECS.items() if spec.token_features]
CAUSAL = [kind for kind, spec in SPECS.items() if spec.causal]
# Without token features, their layers have the same weights, except for the rows of one matrix.
WITH_ONE_MATRIX = ("shared_projection", "ten_inputs", "lstm", "gru", "session, projected", "submodel, sum")


@pytest.fixture(params=READERS)
def kind(request: pytest.FixtureRequest) -> str:
    """Return an encoder that reads token features."""
    return request.param


def large(encoder: Encoder) -> Encoder:
    """Set weights large enough that every value matters."""
    rng = np.random.default_rng(0)
    encoder.set_weights(
        [rng.normal(scale=0.5, size=w.shape) if w.trainable else value for w, value in zip(
            encoder.weights, encoder.get_weights(), strict=True
        )]
    )  # fmt: skip
    return encoder


def batch(context: int = 3) -> dict[str, np.ndarray]:
    ids, rng = every_window(context), np.random.default_rng(1)
    return {**inputs(ids, rng), **token_features(ids, rng)}


def test_the_value_of_each_token_counts_in_its_row_alone(kind: str) -> None:
    encoder, windows = large(make(kind, of_tokens=True)), batch()
    before = encoder(windows).numpy()
    for name, change in (("column/price", 1.0), ("column/kind", 1)):
        for row, place in np.argwhere(windows["input_ids"] != PADDING):
            changed = windows[name].copy()
            changed[row, place] = (changed[row, place] + change) % 3
            after = encoder({**windows, name: changed}).numpy()
            others = np.arange(len(before)) != row
            np.testing.assert_allclose(after[others], before[others], rtol=1e-5, atol=1e-6)
            # The window of this transformer hides the oldest token from the latest, and "max" other values.
            if kind not in ("transformer", "submodel, max"):
                assert np.abs(after[row] - before[row]).max() > 1e-4, (name, row, place)


@pytest.mark.parametrize("kind", WITH_ONE_MATRIX)
def test_features_of_zero_change_nothing(kind: str) -> None:
    plain, encoder, windows = large(make(kind)), make(kind, of_tokens=True), batch()
    values = {w.path.partition("/")[2]: w.numpy() for w in plain.weights}
    for weight in encoder.weights:
        value = values.get(weight.path.partition("/")[2], np.zeros(weight.shape, np.float32))
        rest = np.ones((weight.shape[0] - value.shape[0], *value.shape[1:]), np.float32)
        weight.assign(np.concatenate([value, rest]))
    windows["column/price"] = np.zeros_like(windows["column/price"])
    np.testing.assert_allclose(encoder(windows), plain(windows), rtol=1e-5, atol=1e-6)


def test_their_tables_are_trained(kind: str) -> None:
    encoder, windows = make(kind, of_tokens=True), batch()
    assert {name: layer.embeddings.shape for name, layer in encoder.token_categories.items()} == {"column/kind": (4, 3)}
    goal = tf.random.stateless_normal([6, encoder.width], [1, 2])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum((encoder(windows, dropout_seed=tf.constant([3, 4])) - goal) ** 2)
    variables = encoder.trainable_variables
    for variable, gradient in zip(variables, tape.gradient(loss, [v.value for v in variables]), strict=True):
        assert gradient is not None, variable.path
        assert np.abs(tf.convert_to_tensor(gradient)).max() > 0, variable.path


def test_comes_back_from_its_configuration(kind: str) -> None:
    encoder, windows = make(kind, of_tokens=True), batch()
    again = type(encoder).from_config(encoder.get_config())
    again.build({"input_ids": (None, 3), "year": (None,), "a/b": (None,), **dict.fromkeys(NAMES, (None, 3))})
    np.testing.assert_array_equal(again(windows), encoder(windows))


def test_without_them_the_weights_are_the_same_as_ever(kind: str) -> None:
    names = [weight.path for weight in make(kind).weights]
    assert not [name for name in names if "_tokens" in name]
    with_them = make(kind, of_tokens=True)
    widened = {w.path: w.shape for w in with_them.weights}
    assert [name for name in widened if name not in names] != []
    assert [name for name in names if name not in widened] == []


@pytest.mark.parametrize("kind", CAUSAL)
def test_the_vector_at_a_position_is_that_of_the_window_before_it(kind: str) -> None:
    length, rng = 5, np.random.default_rng(2)
    encoder = large(make(kind, context=length, of_tokens=True))
    rows = rng.integers(0, PADDING, (2, length))
    rows[1, 3:] = PADDING
    columns = {**inputs(rows, rng), **token_features(rows, rng)}
    places = np.argwhere(rows != PADDING)
    found = encoder.encode({name: tf.constant(values) for name, values in columns.items()}, tf.constant(places))
    for vector, (row, place) in zip(found.numpy(), places, strict=True):
        window = _window(columns, row, place, length)
        np.testing.assert_allclose(encoder(window)[0], vector, atol=1e-5)


def _window(columns: dict[str, Any], row: int, place: int, length: int) -> dict[str, np.ndarray]:
    padding = {"input_ids": PADDING, "column/price": 0, "column/kind": 3}
    found = {}
    for name, values in columns.items():
        each = values[row : row + 1]
        if name in padding:
            before = np.full((1, length - 1 - place), padding[name], each.dtype)
            each = np.concatenate([before, each[:, : place + 1]], axis=1)
        found[name] = each
    return found


@pytest.mark.parametrize("kind", ["shared_projection", "session", "session, projected"])
def test_the_vectors_of_classes_have_no_features(kind: str) -> None:
    encoder = large(make(kind, of_tokens=True))
    ids = tf.constant([0, 3, 4])
    vectors = encoder.token_vectors(ids)
    assert vectors.shape == (3, encoder.token_width)
    np.testing.assert_allclose(encoder.first_token_vectors(5).numpy()[[0, 3, 4]], vectors, rtol=1e-6)
    if kind == "shared_projection":
        table, kernel = encoder.embedding.embeddings.numpy(), encoder.projection.kernel.numpy()
        np.testing.assert_allclose(vectors, tf.gather(table, ids).numpy() @ tf.constant(kernel).numpy()[:5], rtol=1e-5)
