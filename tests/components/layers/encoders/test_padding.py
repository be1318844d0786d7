"""Tests of padding on the left, which must not change the result."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.layers.encoders.base import Encoder
from tests.components.layers.encoders.conftest import PADDING, inputs, make
from tests.drawing import drawn

# Encoders that leave padding out.
BLIND = ("lstm", "gru", "session", "session, projected", "basket", "submodel, mean", "submodel, max", "submodel, sum")
ENCODERS: dict[str, Encoder] = {}


def encode(kind: str, rows: list[list[int]], context: int, features: dict[str, Any]) -> np.ndarray:
    encoder = ENCODERS.setdefault(kind, make(kind))
    ids = [[PADDING] * (context - len(row)) + row for row in rows]
    return encoder({**features, "input_ids": np.array(ids, np.int32)}).numpy()


@pytest.mark.parametrize("kind", BLIND)
@given(
    rows=st.lists(st.lists(st.integers(0, PADDING - 1), max_size=5), min_size=2, max_size=2),
    more=st.sampled_from([0, 1, 7]),
)
@drawn(25)
def test_more_padding_changes_nothing(kind: str, rows: list[list[int]], more: int) -> None:
    features = inputs([[0], [0]], np.random.default_rng(1))
    np.testing.assert_allclose(
        encode(kind, rows, 5, features), encode(kind, rows, 5 + more, features), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("kind", [*BLIND, "transformer", "transformer, learned"])
def test_a_window_of_nothing_but_padding_is_finite(kind: str) -> None:
    features = inputs([[0], [0]], np.random.default_rng(1))
    assert np.isfinite(encode(kind, [[], [4]], 3, features)).all()


@pytest.mark.parametrize("kind", ["lstm", "gru", "session", "basket"])
def test_the_order_counts(kind: str) -> None:
    features = inputs([[0], [0]], np.random.default_rng(1))
    features = {name: values[[0, 0]] for name, values in features.items()}
    first, turned = encode(kind, [[1, 2, 3], [3, 2, 1]], 3, features)
    assert np.abs(first - turned).max() > 1e-4


@pytest.mark.parametrize(("join", "pool"), [("mean", np.mean), ("max", np.max), ("sum", np.sum)])
def test_pooling_leaves_the_padding_out(join: str, pool: Any) -> None:
    encoder: Any = make("submodel, mean", join=join)
    rows = encoder.embedding(np.array([[5, 6]]))[0] @ encoder.submodel.weights[0] + encoder.submodel.weights[1]
    batch = inputs([[PADDING, 5, 6]], np.random.default_rng(0))
    expected = encoder.join(pool(rows, axis=0)[np.newaxis], batch, None)
    np.testing.assert_allclose(encoder(batch), expected, rtol=1e-5, atol=1e-6)
