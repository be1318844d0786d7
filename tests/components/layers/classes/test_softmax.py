import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.layers.classes.softmax import best, in_chunks, sum_at
from tests.drawing import drawn


@drawn(30)
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


@pytest.mark.parametrize("static", [True, False])
@drawn(40)
@given(
    rows=st.integers(0, 3),
    n=st.integers(1, 1_500),
    k=st.integers(0, 5),
    distinct=st.integers(1, 2_000),
    seed=st.integers(0, 99),
)
def test_the_best_are_those_of_top_k(static, rows, n, k, distinct, seed):
    k = min(k, n)
    values = np.random.default_rng(seed).integers(0, distinct, (rows, n)).astype(np.float32)
    shape = [None, n] if static else [None, None]
    found = tf.function(best, autograph=False).get_concrete_function(
        tf.TensorSpec(shape), k if static else tf.TensorSpec([], tf.int32)
    )
    largest, columns = found(tf.constant(values)) if static else found(tf.constant(values), tf.constant(k))
    expected = tf.math.top_k(values, k)
    np.testing.assert_array_equal(columns, expected.indices)
    np.testing.assert_array_equal(largest, expected.values)


@drawn(30)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6), st.integers(-5, 5)), max_size=20), st.integers(4, 5))
def test_values_are_summed_at_their_places(values, rows):
    expected = np.zeros((rows, 7), np.float32)
    for row, column, value in values:
        expected[row, column] += value
    where = tf.constant([value[:2] for value in values], tf.int64, shape=(len(values), 2))
    found = sum_at(where, tf.constant([float(value[2]) for value in values], tf.float32), tf.constant(rows), 7)
    np.testing.assert_array_equal(found, expected)
