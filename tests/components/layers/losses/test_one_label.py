import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.layers.losses import wide
from components.layers.losses.one_label import candidates_loss, full_loss
from tests.drawing import drawn

sizes = st.tuples(st.integers(1, 6), st.integers(1, 5), st.integers(1, 7), st.integers(0, 3), st.integers(0, 10**6))


def plain(hidden, rows, bias, log_pi, own):
    """Compute the formula of the docstring with full matrices and automatic differentiation."""
    count = len(log_pi)
    logits = tf.matmul(hidden, rows, transpose_b=True) + bias
    own_logit = tf.gather(logits, own, batch_dims=1)
    others = tf.where(tf.range(count) == own[:, tf.newaxis], -np.inf, logits[:, :count] - log_pi)
    return tf.reduce_logsumexp(tf.concat([own_logit[:, tf.newaxis], others], axis=1), axis=1) - own_logit


@drawn(40)
@given(sizes)
def test_loss_and_gradients_are_those_of_the_plain_formula(size):
    batch, width, candidates, after, seed = size
    rng = np.random.default_rng(seed)
    shapes = (batch, width), (candidates + after, width), (candidates + after,)
    variables = [tf.Variable(rng.normal(size=shape), dtype=tf.float32) for shape in shapes]
    log_pi = tf.constant(np.log(rng.uniform(0.1, 1, candidates)), tf.float32)
    own = tf.constant(rng.integers(0, candidates + after, batch), tf.int32)
    weights = tf.constant(rng.normal(size=batch), tf.float32)
    results = []
    for loss_of in (candidates_loss, plain):
        with tf.GradientTape() as tape:
            loss = loss_of(*variables, log_pi, own)
            total = tf.reduce_sum(loss * weights)
        results.append([loss, *tape.gradient(total, variables)])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=2e-5)


def test_a_candidate_taken_out_costs_nothing_and_gets_no_gradient():
    rng = np.random.default_rng(0)
    hidden, rows = (tf.Variable(rng.normal(size=shape), dtype=tf.float32) for shape in ((4, 3), (6, 3)))
    own = tf.constant([0, 1, 3, 1])
    with tf.GradientTape() as tape:
        loss = candidates_loss(hidden, rows, tf.zeros(6), tf.constant([0, 0, np.inf, 0, 0, 0], tf.float32), own)
    others = tf.gather(rows, [0, 1, 3, 4, 5])
    without = candidates_loss(hidden, others, tf.zeros(5), tf.zeros(5), tf.constant([0, 1, 2, 1]))
    np.testing.assert_allclose(loss, without, rtol=1e-5)
    gradient = tape.gradient(loss, rows).numpy()
    assert np.isfinite(gradient).all()
    assert not gradient[2].any()


def test_loss_stays_exact_where_probabilities_vanish():
    # The vanishing probability is that of the label, of the first candidate, or, with a sure label, of all others.
    rows, zeros = tf.constant([[0.0], [200.0]]), tf.zeros(2)
    np.testing.assert_allclose(candidates_loss(tf.constant([[1.0]]), rows, zeros, zeros, tf.constant([0])), [200.0])
    sure = candidates_loss(tf.constant([[1.0], [0.1]]), rows, zeros, zeros, tf.constant([1, 1]))
    np.testing.assert_allclose(sure, [0.0, np.log1p(np.exp(-20))], atol=1e-7)


@pytest.mark.parametrize("chunk", [5, 8, 23, 100])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("bfloat16", 0.06)])
def test_full_loss_is_the_cross_entropy_however_it_is_cut(chunk, dtype, tolerance, monkeypatch):
    monkeypatch.setattr(wide, "CLASSES", chunk)
    rng = np.random.default_rng(1)
    variables = [tf.Variable(rng.normal(size=shape), dtype=tf.float32) for shape in ((9, 5), (23, 5), (23,))]
    labels, weights = tf.constant(rng.integers(0, 23, 9), tf.int32), tf.constant(rng.normal(size=9), tf.float32)
    results = []
    for loss_of in (
        lambda hidden, table, bias: full_loss(hidden, table, bias, labels, dtype),
        lambda hidden, table, bias: tf.nn.sparse_softmax_cross_entropy_with_logits(
            labels, tf.matmul(hidden, table, transpose_b=True) + bias
        ),
    ):
        with tf.GradientTape() as tape:
            loss = loss_of(*(variable.value() for variable in variables))
            total = tf.reduce_sum(loss * weights)
        results.append([loss, *tape.gradient(total, variables)])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=tolerance)


def test_bfloat16_keeps_what_is_left_of_a_sure_label():
    # p = 0.9975. In bfloat16 it is 0.996, and 1 - p would be wrong by half.
    hidden, rows = tf.Variable([[6.0]]), tf.constant([[1.0], [0.0]])
    with tf.GradientTape() as tape:
        loss = candidates_loss(hidden, rows, tf.zeros(2), tf.zeros(2), tf.constant([0]), "bfloat16")
    rest = 1 / (1 + np.exp(6.0))
    np.testing.assert_allclose(loss, [-np.log1p(-rest)], rtol=0.02)
    np.testing.assert_allclose(tape.gradient(loss, hidden), [[-rest]], rtol=0.02)


@pytest.mark.parametrize("classes", [32, 37])
def test_the_full_loss_is_the_same_under_xla_also_where_the_last_chunk_is_shorter(monkeypatch, classes):
    monkeypatch.setattr(wide, "CLASSES", 16)
    rng = np.random.default_rng(2)
    hidden, table, bias = (
        tf.constant(rng.normal(size=shape), tf.float32) for shape in ((6, 4), (classes, 4), (classes,))
    )
    labels = tf.constant([0, 15, 16, 31, classes - 1, 3])

    def step():
        with tf.GradientTape() as tape:
            tape.watch([hidden, table, bias])
            loss = full_loss(hidden, table, bias, labels)
        return loss, *tape.gradient(loss, [hidden, table, bias])

    for plain_one, compiled in zip(tf.function(step)(), tf.function(step, jit_compile=True)(), strict=True):
        np.testing.assert_allclose(plain_one, compiled, rtol=1e-4, atol=1e-6)
