"""Tests of the encoder of baskets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from components.layers.encoders.basket.spec import BasketSpec
from components.layers.encoders.build import build_encoder
from components.layers.head import SampledSoftmax
from tests.components.layers.encoders.conftest import PADDING, make

# The baskets of each row, the latest last.
ROWS = [[[7]], [[1, 2], [1]], [[5, 9, 0], [3], [5], [4, 8]], []]


def inputs(rows: list[list[list[int]]], context: int = 7) -> dict[str, np.ndarray]:
    """Return the ids and ages of rows of baskets, padded on the left."""
    ids, ages = np.full((len(rows), context), PADDING), np.zeros((len(rows), context), int)
    for row, baskets in enumerate(rows):
        tokens = [(token, len(baskets) - n) for n, basket in enumerate(baskets) for token in basket]
        for place, (token, age) in enumerate(reversed(tokens), start=1):
            ids[row, -place], ages[row, -place] = token, age
    return {"input_ids": ids, "ages": ages}


def randomised(**changes: Any) -> Any:
    encoder, rng = make("basket", 7, features=False, **changes), np.random.default_rng(3)
    for variable in encoder.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    return encoder


@pytest.mark.parametrize("projection", ["none", 4])
@pytest.mark.parametrize("hidden", [5, 3])
@pytest.mark.parametrize("unit_length", [True, False])
def test_attention_is_by_age_and_token(projection: Any, hidden: int, unit_length: bool) -> None:
    """Compare each row with the formula, with ages beyond the last one, and a row of padding with the bias."""
    encoder = randomised(projection=projection, hidden=hidden, unit_length=unit_length, ages=3)
    vectors = np.asarray(encoder.embedding.embeddings)
    if projection != "none":
        vectors = vectors @ np.asarray(encoder.projection.kernel)
    if unit_length:
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    of_age, age_scores, token_scores = (
        np.asarray(each) for each in (encoder.age_vectors, encoder.age_scores, encoder.token_scores)
    )
    out, shift = encoder.hidden.get_weights()
    for baskets, result in zip(ROWS, encoder(inputs(ROWS)).numpy(), strict=True):
        mean, last = np.zeros((2, vectors.shape[1]))
        if baskets:
            tokens = [token for basket in baskets for token in basket]
            ages = np.array([min(len(baskets) - n, 3) - 1 for n, basket in enumerate(baskets) for _ in basket])
            items = vectors[tokens] + of_age[ages]
            weights = np.exp(age_scores[ages] + token_scores[tokens])
            mean, last = weights / weights.sum() @ items, items[ages == 0].mean(axis=0)
        expected = np.concatenate([mean, last]) @ out + shift
        if hidden == vectors.shape[1]:
            expected += mean
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


def test_the_order_within_a_basket_does_not_count() -> None:
    encoder = randomised()
    first, turned, other = encoder(inputs([[[1, 2, 3], [4, 5]], [[3, 1, 2], [5, 4]], [[1, 2, 4], [3, 5]]])).numpy()
    np.testing.assert_allclose(first, turned, rtol=1e-5, atol=1e-6)
    assert np.abs(first - other).max() > 1e-3


def test_without_ages_each_token_is_a_basket() -> None:
    encoder, given = randomised(), inputs([[[1], [2], [3]], [[4]]])
    np.testing.assert_allclose(encoder(given), encoder({"input_ids": given["input_ids"]}), rtol=1e-6)


def test_a_feature_may_be_called_ages() -> None:
    spec = BasketSpec.model_validate({"kind": "basket", "embedding": 5})
    arguments = {"ids": PADDING + 1, "context": 2, "categories": {}, "seed": 1}
    encoder = build_encoder(spec, numbers=("ages",), **arguments)
    ids = np.array([[1, 2], [1, 2]])
    assert encoder({"input_ids": ids, "ages": np.array([0.5, 40.0])}).shape == (2, 5)


def test_its_token_vectors_are_the_class_vectors_of_a_tied_head() -> None:
    encoder = randomised()
    head = SampledSoftmax(range(1, PADDING + 1), similarity="cosine", tied_to=encoder)
    logits = head(encoder(inputs(ROWS)))
    vectors = np.asarray(encoder.embedding.embeddings)[:PADDING]
    hidden = encoder(inputs(ROWS)).numpy()
    cosines = hidden @ vectors.T / np.linalg.norm(hidden, axis=1)[:, None] / np.linalg.norm(vectors, axis=1)
    np.testing.assert_allclose(logits, 12 * cosines + tf.convert_to_tensor(head.bias), rtol=1e-4, atol=1e-4)


def test_the_output_is_as_wide_as_a_token_vector_unless_set() -> None:
    for keys, width in (({}, 128), ({"embedding": 50}, 50), ({"embedding": 50, "projection": 64}, 64)):
        assert BasketSpec.model_validate({"kind": "basket", **keys}).hidden == width
