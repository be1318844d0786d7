import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from components.layers.softmax import in_chunks


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 11), st.integers(1, 6))
def test_chunks_join_to_the_whole_and_none_is_larger(rows, chunk):
    values = tf.range(rows * 2, dtype=tf.float32)
    sizes = []

    def part(start, end):
        sizes.append(int(end - start))
        return values[start * 2 : end * 2 : 2], tf.reshape(values[start * 2 : end * 2], [-1, 2])

    like = (tf.TensorSpec([], tf.float32), tf.TensorSpec([2], tf.float32))
    first, second = in_chunks(tf.constant(rows), chunk, part, like)
    np.testing.assert_array_equal(first, np.arange(rows) * 2.0)
    np.testing.assert_array_equal(second, np.arange(rows * 2.0).reshape(-1, 2))
    assert max(sizes, default=0) <= chunk
