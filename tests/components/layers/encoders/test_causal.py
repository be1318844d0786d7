"""Tests of causal encoders, which process a row once for all its positions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from components.layers.encoders.base import Encoder
from components.layers.encoders.registry import ModelSpec
from components.layers.encoders.transformer.block import Block, rotated
from tests.components.layers.encoders.conftest import KINDS, PADDING, inputs, make
from tests.drawing import drawn

CAUSAL = ("lstm", "gru", "transformer", "transformer, learned")
LENGTH = 7
ENCODERS: dict[str, Encoder] = {}


def encoder_of(kind: str) -> Encoder:
    """Return an encoder with weights large enough that every id matters."""
    if kind not in ENCODERS:
        encoder = ENCODERS[kind] = make(kind, context=LENGTH)
        rng = np.random.default_rng(0)
        encoder.set_weights([rng.normal(scale=0.5, size=w.shape) for w in encoder.get_weights()])
    return ENCODERS[kind]


def vectors(encoder: Encoder, ids: Any, seed: tf.Tensor | None = None) -> np.ndarray:
    """Return the vectors at all positions of rows, (rows, L, width)."""
    ids = np.asarray(ids, np.int32)
    places = np.argwhere(np.ones_like(ids))
    found = encoder.encode(inputs(ids, np.random.default_rng(1)), tf.constant(places), seed)
    return found.numpy().reshape(*ids.shape, -1)


@pytest.mark.parametrize("kind", KINDS)
def test_the_specification_says_which_encoders_are_causal(kind: str) -> None:
    spec = TypeAdapter(ModelSpec).validate_python(KINDS[kind])
    assert spec.causal == (kind in CAUSAL) == (type(make(kind)).states is not Encoder.states)


@pytest.mark.parametrize("kind", CAUSAL)
@given(row=st.lists(st.integers(0, PADDING - 1), min_size=1, max_size=LENGTH))
@drawn(8)
def test_the_vector_at_a_position_is_that_of_the_window_before_it(kind: str, row: list[int]) -> None:
    encoder = encoder_of(kind)
    whole = vectors(encoder, [row + [PADDING] * (LENGTH - len(row))])[0]
    windows = [[PADDING] * (LENGTH - end) + row[:end] for end in range(1, len(row) + 1)]
    features = inputs([[0]], np.random.default_rng(1))
    each = {name: np.repeat(values, len(row), axis=0) for name, values in features.items()}
    expected = encoder({**each, "input_ids": np.array(windows, np.int32)})
    np.testing.assert_allclose(whole[: len(row)], expected, atol=1e-5)


@pytest.mark.parametrize("kind", CAUSAL)
@given(ids=st.lists(st.integers(0, PADDING), min_size=LENGTH, max_size=LENGTH), changed=st.integers(1, LENGTH - 1))
@drawn(8)
def test_a_later_id_changes_no_earlier_vector(kind: str, ids: list[int], changed: int) -> None:
    other = [*ids[:changed], *((id_ + 1) % PADDING for id_ in ids[changed:])]
    before, after = (vectors(encoder_of(kind), [row])[0] for row in (ids, other))
    np.testing.assert_allclose(before[:changed], after[:changed], atol=1e-6)
    assert np.abs(before[changed:] - after[changed:]).max() > 1e-4


@pytest.mark.parametrize("kind", CAUSAL)
def test_rows_of_a_batch_do_not_meet(kind: str) -> None:
    rng = np.random.default_rng(3)
    ids = rng.integers(0, PADDING, (3, LENGTH))
    changed = np.concatenate([ids[:1], rng.integers(0, PADDING, (2, LENGTH))])
    np.testing.assert_allclose(
        vectors(encoder_of(kind), ids)[0], vectors(encoder_of(kind), changed)[0], rtol=1e-5, atol=1e-6
    )


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 30))
@drawn(30)
def test_rotation_multiplies_by_a_complex_number_and_keeps_distances(first: int, second: int, shift: int) -> None:
    vectors = np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32)
    turned = rotated(tf.constant(vectors)).numpy()
    frequency = 10_000.0 ** (-np.arange(3) / 3)
    expected = (vectors[:, :3] + 1j * vectors[:, 3:]) * np.exp(1j * np.outer(np.arange(60), frequency))
    np.testing.assert_allclose(turned, np.concatenate([expected.real, expected.imag], axis=1), atol=1e-4)
    # The inner product of the same two vectors depends on the distance of their positions alone.
    constant = rotated(tf.constant(np.tile(vectors[:1], (60, 1)))).numpy()
    product = constant[first] @ constant[second]
    assert product == pytest.approx(constant[first + shift] @ constant[second + shift], abs=1e-3)


@pytest.mark.parametrize("window", [None, 1, 3])
@pytest.mark.parametrize("rotary", [False, True])
def test_a_block_is_that_of_a_plain_loop(window: int | None, rotary: bool) -> None:
    block = Block(width=8, num_heads=2, feedforward=5, rotary=rotary, window=window, dropout=0.3, seed=1)
    block.build((None, None, 8))
    rng = np.random.default_rng(0)
    block.set_weights([rng.normal(scale=0.5, size=w.shape) for w in block.get_weights()])
    x = rng.normal(size=(2, 6, 8)).astype(np.float32)

    def norm(values: np.ndarray) -> np.ndarray:
        return (values - values.mean(-1, keepdims=True)) / np.sqrt(values.var(-1, keepdims=True) + 1e-5)

    weights = {w.path.removeprefix(f"{block.name}/"): w.numpy() for w in block.weights}

    def dense(name: str, values: np.ndarray) -> np.ndarray:
        return values @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]

    def normalized(name: str, values: np.ndarray) -> np.ndarray:
        return norm(values) * weights[f"{name}/gamma"] + weights[f"{name}/beta"]

    q, k, v = np.split(normalized("attention_norm", x) @ weights["queries_keys_values/kernel"], 3, axis=-1)
    attended = np.zeros_like(x)
    for row in range(2):
        for head in (slice(0, 4), slice(4, 8)):
            queries, keys = q[row, :, head], k[row, :, head]
            if rotary:
                queries, keys = (rotated(tf.constant(values)).numpy() for values in (queries, keys))
            for t in range(6):
                seen = range(max(0, t + 1 - (window or 6)), t + 1)
                scores = np.exp([queries[t] @ keys[u] / 2.0 for u in seen])
                attended[row, t, head] = scores @ v[row, list(seen), head] / scores.sum()
    y = x + dense("attended", attended)
    inner = dense("inner", normalized("feedforward_norm", y))
    z = y + dense("outer", tf.nn.gelu(inner, approximate=True).numpy())
    np.testing.assert_allclose(block(tf.constant(x)), z, atol=1e-4)
