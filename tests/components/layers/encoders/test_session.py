"""Tests of the encoder of sessions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from components.layers.encoders.session.spec import SessionSpec
from tests.components.layers.encoders.conftest import PADDING, make


def softmax(scores: np.ndarray) -> np.ndarray:
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()


@pytest.mark.parametrize("projection", ["none", 4])
@pytest.mark.parametrize("unit_length", [True, False])
def test_attention_is_asked_by_the_latest_item(projection: Any, unit_length: bool) -> None:
    """Compare each row with the formula, and a row of padding with the output layer's bias."""
    encoder: Any = make("session", 4, features=False, projection=projection, unit_length=unit_length)
    rng = np.random.default_rng(3)
    for variable in encoder.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    rows = [[7], [1, 2, 1], [5, 5, 9, 0], []]
    ids = np.array([[PADDING] * (4 - len(row)) + row for row in rows])
    found = encoder({"input_ids": ids}).numpy()
    vectors = np.asarray(encoder.embedding.embeddings)
    if projection != "none":
        vectors = vectors @ np.asarray(encoder.projection.kernel)
    if unit_length:
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    places, score, (asking,), (asked, bias), (out, shift) = (
        np.asarray(encoder.places), np.asarray(encoder.score), encoder.asking.get_weights(),
        encoder.asked.get_weights(), encoder.hidden.get_weights(),
    )  # fmt: skip
    for row, result in zip(rows, found, strict=True):
        joined = np.zeros(2 * vectors.shape[1])
        if row:
            items = vectors[row] + places[np.arange(len(row))[::-1]]
            compared = 1 / (1 + np.exp(-(items[-1] @ asking + items @ asked + bias)))
            joined = np.concatenate([softmax(compared @ score) @ items, items[-1]])
        np.testing.assert_allclose(result, joined @ out + shift, rtol=1e-4, atol=1e-5)


def test_the_output_is_as_wide_as_a_token_vector_unless_set() -> None:
    for keys, width in (({}, 128), ({"embedding": 50}, 50), ({"embedding": 50, "projection": 64}, 64)):
        assert SessionSpec.model_validate({"kind": "session", **keys}).hidden == width
    assert SessionSpec.model_validate({"kind": "session", "hidden": 3}).hidden == 3
