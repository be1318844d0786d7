import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.layers.classes import sweep as module
from components.layers.classes.sweep import sweep
from tests.drawing import drawn


def reference(hidden, table, bias):
    logits = hidden.astype(np.float64) @ table.T.astype(np.float64) + bias
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    order = np.argsort(-logits, axis=1, kind="stable")
    return log_p, order


@drawn(60)
@given(st.integers(0, 6), st.integers(2, 9), st.sampled_from([2, 3, 100]), st.integers(0, 10**6))
def test_sweep_is_the_full_softmax_however_it_is_cut(rows, classes, chunk, seed):
    rng = np.random.default_rng(seed)
    # Small integers, so that ties are common and exact.
    hidden, table = (rng.integers(-1, 2, shape).astype(np.float32) for shape in ((rows, 2), (classes, 2)))
    bias = rng.integers(-1, 2, classes).astype(np.float32)
    labels = rng.integers(-1, classes, rows)
    k = min(3, classes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CLASSES", chunk)
        found = sweep(tf.constant(hidden), table, bias, tf.constant(labels), k)
        unlabelled = sweep(tf.constant(hidden), table, bias, k=k)
    log_p, order = reference(hidden, table, bias)
    for row, label in enumerate(labels):
        if label < 0:
            assert (found.nll[row], found.rank[row]) == (0.0, classes + 1)
        else:
            np.testing.assert_allclose(found.nll[row], -log_p[row, label], atol=1e-5)
            assert found.rank[row] == 1 + list(order[row]).index(label)
    np.testing.assert_array_equal(found.ids, order[:, :k])
    np.testing.assert_allclose(found.probabilities, np.exp(np.take_along_axis(log_p, order[:, :k], axis=1)), rtol=1e-4)
    np.testing.assert_array_equal(found.ids, unlabelled.ids)
    np.testing.assert_array_equal(found.probabilities, unlabelled.probabilities)


def test_ranks_of_real_numbers_hold_across_chunks(monkeypatch):
    rng = np.random.default_rng(0)
    hidden, table = (rng.normal(size=shape).astype(np.float32) for shape in ((50, 16), (300, 16)))
    table[200:210] = table[7]  # Equal rows, such as those of tokens that have not been trained yet.
    labels = tf.constant(np.r_[[7, 200, 205, 209], rng.integers(0, 300, 46)])
    whole = sweep(hidden, table, np.zeros(300, np.float32), labels)
    monkeypatch.setattr(module, "CLASSES", 64)
    cut = sweep(hidden, table, np.zeros(300, np.float32), labels)
    np.testing.assert_array_equal(cut.rank, whole.rank)
    np.testing.assert_allclose(cut.nll, whole.nll, atol=1e-5)


def test_few_logits_are_held_at_a_time(monkeypatch):
    rng = np.random.default_rng(0)
    hidden, table = (rng.normal(size=shape).astype(np.float32) for shape in ((50, 4), (30, 4)))
    labels = tf.constant(rng.integers(0, 30, 50))
    whole = sweep(hidden, table, np.zeros(30, np.float32), labels, k=2)
    held = []
    softmax = tf.nn.softmax
    monkeypatch.setattr(module.tf.nn, "softmax", lambda logits: (held.append(int(tf.size(logits))), softmax(logits))[1])
    monkeypatch.setattr(module, "LOGITS", 200)
    few = sweep(hidden, table, np.zeros(30, np.float32), labels, k=2)
    assert max(held) <= 200
    for one, other in zip(whole, few, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


def test_more_answers_than_classes_are_refused():
    with pytest.raises(ValueError, match="3 classes"):
        sweep(tf.zeros((1, 2)), tf.zeros((3, 2)), tf.zeros(3), k=4)
