"""Tests that tf2onnx converts graphs with the handlers of `components.conversion.operations`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from components.conversion.onnx_model import OPSET
from components.conversion.operations import HANDLERS
from components.layers.encoders.basket.spec import BasketSpec
from components.layers.encoders.build import build_encoder


def in_onnx(function: Callable[..., Any], specs: Sequence[tf.TensorSpec], *given: np.ndarray) -> np.ndarray:
    """Return the output of a function of TensorFlow, computed by onnxruntime."""
    tf2onnx, onnxruntime = (pytest.importorskip(name) for name in ("tf2onnx", "onnxruntime"))
    handlers = {name: (handler, []) for name, handler in HANDLERS.items()}
    traced = tf.function(lambda *inputs: {"output": function(*inputs)}, input_signature=specs, autograph=False)
    proto, _ = tf2onnx.convert.from_function(traced, list(specs), opset=OPSET, custom_op_handlers=handlers)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["output"], {spec.name: value for spec, value in zip(specs, given, strict=True)})[0]


NUMBERS = np.array([-(2**63), 2**63 - 1, -1, 0, 1, 2**40 + 3, -(2**40) - 3, 12345], np.int64)
SORTED = np.sort(np.random.default_rng(0).integers(-(2**62), 2**62, 1_000))


@pytest.mark.parametrize("places", [0, 1, 32, 63])
def test_the_shift_keeps_the_sign(places: int) -> None:
    specs = [tf.TensorSpec([None], tf.int64, "numbers")]
    found = in_onnx(lambda numbers: tf.bitwise.right_shift(numbers, tf.constant(places, tf.int64)), specs, NUMBERS)
    np.testing.assert_array_equal(found, NUMBERS >> places)


def test_the_search_finds_the_first_number_that_is_not_smaller() -> None:
    specs = [tf.TensorSpec([None], tf.int64, "numbers")]
    given = np.concatenate([NUMBERS, SORTED[::7], SORTED[::5] + 1, SORTED[:1], SORTED[-1:] + 1])
    found = in_onnx(lambda numbers: tf.searchsorted(tf.constant(SORTED), numbers), specs, given)
    np.testing.assert_array_equal(found, np.searchsorted(SORTED, given))


@pytest.mark.slow
def test_the_encoder_of_baskets_converts() -> None:
    encoder = build_encoder(BasketSpec(kind="basket", context=6), ids=50, context=6, numbers=(), categories={}, seed=1)
    rng = np.random.default_rng(0)
    encoder.set_weights([rng.normal(scale=0.3, size=w.shape).astype(w.dtype) for w in encoder.get_weights()])
    specs = [tf.TensorSpec([None, 6], tf.int32, name) for name in ("input_ids", "ages")]
    ids = rng.integers(0, 49, (9, 6)).astype(np.int32)
    ages = -np.sort(-rng.integers(1, 5, (9, 6)), axis=1).astype(np.int32)
    ids[:4, :2], ages[:4, :2] = 49, 0  # Padding.

    def encoded(ids: Any, ages: Any) -> tf.Tensor:
        return encoder({"input_ids": ids, "ages": ages})

    np.testing.assert_allclose(in_onnx(encoded, specs, ids, ages), encoded(ids, ages), atol=1e-5)
