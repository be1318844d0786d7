"""Tests of ranks without seen classes, against brute force."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.layers.classes import unseen as module
from components.layers.classes.sweep import sweep
from components.layers.classes.unseen import first_occurrences, unseen_ranks
from tests.drawing import drawn


@drawn(60)
@given(st.integers(0, 6), st.integers(2, 9), st.sampled_from([2, 7, 1_000]), st.integers(0, 10**6))
def test_ranks_are_those_among_the_classes_that_are_left(rows, classes, held, seed):
    rng = np.random.default_rng(seed)
    # Small integers, so that ties are common and exact.
    hidden, table = (rng.integers(-1, 2, shape).astype(np.float32) for shape in ((rows, 2), (classes, 2)))
    bias = rng.integers(-1, 2, classes).astype(np.float32)
    labels = rng.integers(-1, classes, rows).astype(np.int32)
    seen = [rng.permutation(classes)[: rng.integers(0, classes + 1)].astype(np.int32) for _ in range(rows)]
    ragged = tf.ragged.constant(seen, tf.int32, ragged_rank=1) if rows else tf.RaggedTensor.from_row_lengths(
        tf.zeros([0], tf.int32), tf.zeros([0], tf.int64)
    )  # fmt: skip

    def scores(of, ids):
        return tf.reduce_sum(tf.gather(hidden, of) * tf.gather(table, ids), axis=1) + tf.gather(bias, ids)

    whole = sweep(tf.constant(hidden), table, bias, tf.constant(labels)).rank
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "LOGITS", held)
        found = unseen_ranks(tf.constant(labels), whole, ragged, scores, 2, classes + 1)
    order = np.argsort(-(hidden @ table.T + bias), axis=1, kind="stable")
    for row, label in enumerate(labels):
        left = [c for c in order[row] if c not in seen[row]]
        assert found[row] == (1 + left.index(label) if label in left else classes + 1)


@drawn()
@given(st.lists(st.lists(st.integers(-1, 4), max_size=6), max_size=5))
def test_first_occurrences_in_each_row(rows):
    lengths = [len(row) for row in rows]
    flat = np.array([i for row in rows for i in row], np.int64)
    found = first_occurrences(tf.RaggedTensor.from_row_lengths(flat, np.array(lengths, np.int64)))
    expected = [value >= 0 and value not in row[:place] for row in rows for place, value in enumerate(row)]
    assert found.numpy().tolist() == expected
