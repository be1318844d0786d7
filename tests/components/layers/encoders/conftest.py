"""Small encoders of each kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from pydantic import TypeAdapter

from components.layers.encoders.base import Encoder
from components.layers.encoders.build import build_encoder
from components.layers.encoders.registry import ModelSpec

PADDING = 30
WIDTHS = {"embedding": 5, "feature_embedding": 3, "hidden": 6}
PROJECTION = {"kind": "shared_projection", "projection": 4, "input_dropout": 0.2}
KINDS: dict[str, dict[str, Any]] = {
    "shared_projection": {**PROJECTION, "num_heads": 0, "ngrams": 1},
    "shared_projection, pooled": {**PROJECTION, "num_heads": 2, "ngrams": 1},
    "shared_projection, n-grams": {**PROJECTION, "num_heads": 2, "ngrams": 3, "frequent_ngrams": 50},
    "ten_inputs": {"kind": "ten_inputs", "shared_units": 4},
    "ten_inputs, relu": {"kind": "ten_inputs", "shared_units": 4, "activation": "relu", "normalize": False},
    "submodel, concat": {
        "kind": "shared_submodel",
        "submodel": [
            {"Dense": {"units": 7, "activation": "tanh"}},
            {"Dropout": {"rate": 0.3}},
            {"Dense": {"units": 4}},
        ],
    },
    "submodel, mean": {"kind": "shared_submodel", "submodel": [{"Dense": {"units": 4}}], "join": "mean"},
    "submodel, max": {"kind": "shared_submodel", "submodel": [{"LayerNormalization": {}}], "join": "max"},
    "submodel, sum": {"kind": "shared_submodel", "submodel": [{"Dense": {"units": 4}}], "join": "sum"},
    "lstm": {"kind": "recurrent", "projection": 4, "units": 3, "hidden": 0},
    "gru": {"kind": "recurrent", "projection": 4, "units": 3, "cell": "gru"},
    "session": {"kind": "session", "hidden": 6},
    "session, projected": {"kind": "session", "projection": 4, "activation": "glu", "dropout": 0.2},
    "basket": {"kind": "basket", "ages": 4, "hidden": 5},
    "basket, projected": {"kind": "basket", "ages": 2, "projection": 4, "activation": "glu", "dropout": 0.2},
    "transformer": {
        "kind": "transformer",
        "embedding": 8,
        "num_heads": 2,
        "feedforward": 12,
        "window": 2,
        "block_dropout": 0.2,
    },
    "transformer, learned": {
        "kind": "transformer",
        "num_blocks": 1,
        "num_heads": 1,
        "feedforward": 9,
        "positions": "learned",
        "hidden": 0,
    },
}


def make(
    kind: str, context: int = 3, seed: int = 1, features: bool = True, of_tokens: bool = False, **changes: Any
) -> Encoder:
    spec = TypeAdapter(ModelSpec).validate_python({**WIDTHS, "context": context, **KINDS[kind], **changes})
    numbers, categories = (("year",), {"a/b": 4}) if features else ((), {})
    encoder = build_encoder(
        spec,
        ids=PADDING + 1,
        context=context,
        numbers=numbers,
        categories=categories,
        seed=seed,
        token_numbers=("column/price",) if of_tokens else (),
        token_categories={"column/kind": 4} if of_tokens else {},
    )
    # Every second n-gram of the windows below has its own row.
    encoder.adapt(lambda length: [tf.constant(every_window(context)[::2, -length:])])
    return encoder


def every_window(context: int) -> np.ndarray:
    """Return six windows of `context` ids, some of them padded."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, PADDING, (6, context))
    ids[np.arange(context) < rng.integers(0, context, (6, 1))] = PADDING
    return ids


def inputs(ids: Any, rng: np.random.Generator) -> dict[str, np.ndarray]:
    ids = np.asarray(ids, np.int32)
    year = rng.normal(size=len(ids)).astype(np.float32)
    return {"input_ids": ids, "year": year, "a/b": rng.integers(0, 4, len(ids))}


def token_features(ids: Any, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return the features of tokens, with the values of `Layout.token_paddings` in the place of padding."""
    ids = np.asarray(ids, np.int32)
    price = np.where(ids == PADDING, 0, rng.normal(size=ids.shape)).astype(np.float32)
    return {"column/price": price, "column/kind": np.where(ids == PADDING, 3, rng.integers(0, 3, ids.shape))}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def batch() -> Callable[[int], dict[str, np.ndarray]]:
    """Return a function that returns `every_window` with features."""
    return lambda context: inputs(every_window(context), np.random.default_rng(1))
