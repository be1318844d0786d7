import numpy as np
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.layers.classes import sweep as module
from components.layers.classes.int8 import Int8Rows, rows_at
from components.layers.head import SampledSoftmax
from tests.drawing import drawn


@drawn(30)
@given(st.integers(0, 10**6), st.sampled_from([1e-6, 1.0, 1e6]))
def test_the_error_is_at_most_half_a_step(seed, scale):
    vectors = (scale * np.random.default_rng(seed).normal(size=(7, 5))).astype(np.float32)
    vectors[3] = 0.0
    rows = Int8Rows.of(tf.constant(vectors))
    steps = np.abs(vectors).max(axis=1, keepdims=True) / 127
    assert (np.abs(rows[:] - vectors) <= 0.501 * steps).all()
    np.testing.assert_array_equal(rows[3:4], np.zeros((1, 5)))
    np.testing.assert_array_equal(rows_at(rows, tf.constant([2, 6])), tf.gather(rows[:], [2, 6]))
    assert rows.bytes == 7 * (5 + 4)


def test_a_quantized_layer_sweeps_over_int8_rows(monkeypatch):
    rng = np.random.default_rng(0)
    hidden = tf.constant(rng.normal(size=(9, 8)), tf.float32)
    layer = SampledSoftmax(counts=range(1, 41))
    layer.build((None, 8))
    layer.table.assign(rng.normal(size=(40, 8)))
    layer.freeze()
    exact = layer.sweep(hidden, k=5)
    quantized = layer.to_int8()[:].numpy()
    whole = layer.sweep(hidden, tf.range(9), k=5)
    expected = tf.nn.softmax(hidden @ tf.transpose(quantized) + layer.bias.value).numpy()
    np.testing.assert_array_equal(whole.ids, np.argsort(-expected, axis=1, kind="stable")[:, :5])
    np.testing.assert_allclose(np.exp(-whole.nll), expected[range(9), range(9)], rtol=1e-4)
    np.testing.assert_allclose(exact.probabilities, whole.probabilities, rtol=0.1)
    np.testing.assert_array_equal(layer.rows(tf.constant([3, 5]))[0], quantized[[3, 5]])
    monkeypatch.setattr(module, "CLASSES", 16)
    cut = layer.sweep(hidden, tf.range(9), k=5)
    np.testing.assert_array_equal(cut.ids, whole.ids)
    np.testing.assert_allclose(cut.nll, whole.nll, atol=1e-5)
