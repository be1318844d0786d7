"""Tests of the estimated sizes of encoders, by which a run foresees its need of disk space."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import TypeAdapter

from components.layers.encoders.build import build_encoder
from components.layers.encoders.registry import ModelSpec

IDS = 2_000


@pytest.mark.parametrize(
    "keys",
    [
        {"kind": "shared_projection", "frequent_ngrams": 3_000},
        {"kind": "shared_projection", "ngrams": 1, "num_heads": 0, "context": 4},
        {"kind": "ten_inputs"},
        {"kind": "shared_submodel"},
        {"kind": "recurrent"},
        {"kind": "recurrent", "units": 200, "hidden": 64},
        {"kind": "session"},
        {"kind": "basket"},
        {"kind": "transformer"},
    ],
    ids=str,
)
def test_the_number_of_weights_is_about_right(keys: dict[str, Any]) -> None:
    spec = TypeAdapter(ModelSpec).validate_python(keys)
    encoder = build_encoder(spec, ids=IDS, context=spec.context, numbers=(), categories={}, seed=1)
    weights = sum(math.prod(v.shape) for v in encoder.trainable_weights)
    assert 0.8 < spec.number_of_weights(IDS) / weights < 1.25
    constants = sum(8 * math.prod(v.shape) for v in encoder.non_trainable_weights)
    assert spec.constant_bytes == pytest.approx(constants, abs=8 * IDS)
    assert spec.output_width == encoder.width
