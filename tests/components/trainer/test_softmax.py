import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from components.trainer.softmax import chunk_rows, in_chunks, nll_and_rank, top

# Few distinct values, so that ties are common.
logit_matrices = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 5), st.just(7)), elements=st.integers(-3, 3).map(float)
)


@settings(deadline=None, max_examples=60)
@given(logit_matrices, st.data())
def test_nll_and_rank_are_those_of_numpy(logits, data):
    labels = np.asarray(data.draw(st.lists(st.integers(-1, 6), min_size=len(logits), max_size=len(logits))))
    nll, rank = nll_and_rank(tf.constant(logits), tf.constant(labels, tf.int32))
    for row, label, n, r in zip(logits, labels, nll.numpy(), rank.numpy(), strict=True):
        if label < 0:
            assert (n, r) == (0.0, 8)
            continue
        probabilities = np.exp(row) / np.exp(row).sum()
        np.testing.assert_allclose(n, -np.log(probabilities[label]), rtol=1e-4, atol=1e-5)
        assert r == 1 + list(np.argsort(-row, kind="stable")).index(label)


@settings(deadline=None, max_examples=30)
@given(logit_matrices)
def test_top_answers_are_the_most_probable_over_all_classes(logits):
    ids, probabilities = top(tf.constant(logits), 3)
    full = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_array_equal(ids, np.argsort(-full, axis=1, kind="stable")[:, :3])
    np.testing.assert_allclose(probabilities, -np.sort(-full, axis=1)[:, :3], rtol=1e-4)


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


def test_chunks_bound_the_logits():
    assert chunk_rows(10) == 2_048
    assert chunk_rows(25_000) * 25_000 <= 1 << 24
    assert chunk_rows(1 << 30) == 1
