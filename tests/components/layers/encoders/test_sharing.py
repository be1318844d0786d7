"""Tests that shared weights are shared: their gradient is the sum over the uses, each computed with its own copy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from components.layers.encoders.base import Encoder
from tests.components.layers.encoders.conftest import make

Copies = list[list[tf.Tensor]]
Batch = dict[str, Any]
K = 4
HEADS = 2


def shared_projection(encoder: Any, batch: Batch, copies: Copies) -> tf.Tensor:
    rows = encoder.embedding(batch["input_ids"])
    heads = len(copies) - K
    ordered = [rows[:, k] @ w for k, (w,) in enumerate(copies[heads:])]
    pooled = []
    if heads:
        means = encoder.pooling(rows, tf.concat(ordered[-2:], axis=1), batch["input_ids"])
        pooled = [means[:, h] @ w for h, (w,) in enumerate(copies[:heads])]
    return encoder.join(tf.concat([*pooled, *ordered], axis=1), batch, None)


def ten_inputs(encoder: Any, batch: Batch, copies: Copies) -> tf.Tensor:
    layer = encoder.model.get_layer
    latest_first = batch["input_ids"][:, ::-1]
    parts = [tf.nn.relu(encoder.embedding(latest_first[:, k]) @ w + b) for k, (w, b) in enumerate(copies)]
    parts += [batch["year"][:, np.newaxis], layer("category_0_embedding")(batch["a/b"])]
    x = tf.concat(parts, axis=1)
    return layer("norm")(layer("hidden")(x) * layer("gate")(x))


def submodel(encoder: Any, batch: Batch, copies: Copies) -> tf.Tensor:
    rows = encoder.embedding(batch["input_ids"])
    state = encoder.submodel.non_trainable_variables
    parts = [encoder.submodel.stateless_call(copy, state, rows[:, k])[0] for k, copy in enumerate(copies)]
    return encoder.join(tf.concat(parts, axis=1), batch, None)


def lstm(encoder: Any, batch: Batch, copies: Copies) -> tf.Tensor:
    rows, units = encoder.embedding(batch["input_ids"]), encoder.recurrence.units
    state = memory = tf.zeros([len(rows), units])
    for k, (w, b, kernel, recurrent, bias) in enumerate(copies):
        gates = (rows[:, k] @ w + b) @ kernel + state @ recurrent + bias
        i, f, c, o = tf.split(gates, 4, axis=1)
        memory = tf.sigmoid(f) * memory + tf.sigmoid(i) * tf.tanh(c)
        state = tf.sigmoid(o) * tf.tanh(memory)
    return encoder.join(state, batch, None)


FORMS: dict[str, Callable[[Any, Batch, Copies], tf.Tensor]] = {
    "shared_projection": shared_projection,
    "shared_projection, pooled": shared_projection,
    "ten_inputs": ten_inputs,
    "submodel, concat": submodel,
    "lstm": lstm,
}


def whole_batch() -> Batch:
    """Return a batch without padding, because the copies have no mask."""
    rng = np.random.default_rng(5)
    return {
        "input_ids": rng.integers(0, 30, (8, K)).astype(np.int32),
        "year": rng.normal(size=8).astype(np.float32),
        "a/b": rng.integers(0, 4, 8),
    }


def loss_of(vectors: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.sin(vectors) * tf.random.stateless_normal(vectors.shape, [1, 2]))


@pytest.mark.parametrize("kind", FORMS)
def test_the_gradient_is_the_sum_over_the_uses(kind: str) -> None:
    encoder, batch = make(kind, context=K), whole_batch()
    shared = [v.value for v in encoder.shared_variables]
    with tf.GradientTape() as tape:
        vectors = encoder(batch)
        loss = loss_of(vectors)
    found = tape.gradient(loss, shared)

    uses = K + encoder.get_config().get("num_heads", 0)
    copies = [[tf.identity(v) for v in shared] for _ in range(uses)]
    with tf.GradientTape() as tape:
        tape.watch(copies)
        apart = FORMS[kind](encoder, batch, copies)
        loss = loss_of(apart)
    of_copies = tape.gradient(loss, copies)

    np.testing.assert_allclose(vectors, apart, rtol=1e-4, atol=1e-5)
    for i, gradient in enumerate(found):
        of_uses = np.stack([of_copy[i] for of_copy in of_copies])  # pyright: ignore
        np.testing.assert_allclose(gradient, of_uses.sum(axis=0), rtol=1e-4, atol=1e-5)
        # The uses differ, so no single use equals the sum.
        assert all(np.abs(of_use - gradient).max() > 1e-3 for of_use in of_uses)


def sizes(encoder: Encoder) -> list[int]:
    return [int(np.prod(v.shape)) for v in encoder.trainable_variables]


@pytest.mark.parametrize("kind", FORMS)
def test_more_inputs_bring_no_more_weights_but_in_the_hidden_layer(kind: str) -> None:
    few, many = make(kind, context=2), make(kind, context=9)
    assert len(sizes(few)) == len(sizes(many))
    assert [v.shape for v in few.shared_variables] == [v.shape for v in many.shared_variables]
    grown = [i for i, (a, b) in enumerate(zip(sizes(few), sizes(many), strict=True)) if a != b]
    # Ten inputs have their gate in a separate layer, and pooling weighs by position. The state of an LSTM has a fixed
    # width.
    assert len(grown) == {"ten_inputs": 2, "shared_projection, pooled": 2, "lstm": 0}.get(kind, 1)
    for encoder in (few, many):
        trained = {id(v) for v in encoder.trainable_variables}
        assert all(id(v) in trained for v in encoder.shared_variables)
