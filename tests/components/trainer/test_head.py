# pyright: reportArgumentType=false, reportCallIssue=false
import keras
import numpy as np
import pytest
import tensorflow as tf

from components.trainer.head import SampledSoftmax, shared_candidates_loss, step_seed

COUNTS = [400, 200, 100, 50, 25, 12, 6, 3, 2, 2]


def head_of(negatives: int, width: int = 4, **kwargs) -> SampledSoftmax:
    head = SampledSoftmax(COUNTS, negatives, **kwargs)
    head.build((None, width))
    head.table.assign(np.random.default_rng(0).normal(size=(len(COUNTS), width)))
    return head


def random_batch(rows: int = 6, width: int = 4) -> tuple[tf.Tensor, tf.Tensor]:
    rng = np.random.default_rng(1)
    return tf.constant(rng.normal(size=(rows, width)), tf.float32), tf.constant(rng.integers(0, 10, rows), tf.int32)


def test_gradients_are_those_of_the_plain_formula():
    rng = np.random.default_rng(2)
    hidden, table, bias = (tf.Variable(rng.normal(size=s).astype(np.float32)) for s in ((5, 3), (7, 3), (7,)))
    targets, weights = tf.constant([0, 6, 3, 3, 1]), tf.constant([1.0, 0.5, 0.0, 2.0, -1.0])
    with tf.GradientTape() as ours:
        fast = tf.reduce_sum(weights * shared_candidates_loss(hidden, table, bias, targets))
    with tf.GradientTape() as plain:
        logits = tf.matmul(hidden, table, transpose_b=True) + bias
        slow = tf.reduce_sum(weights * (tf.reduce_logsumexp(logits, axis=1) - tf.gather(logits, targets, batch_dims=1)))
    np.testing.assert_allclose(fast, slow, rtol=1e-5)
    for a, b in zip(
        ours.gradient(fast, [hidden, table, bias]), plain.gradient(slow, [hidden, table, bias]), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_loss_stays_exact_where_the_labels_probability_underflows():
    loss = shared_candidates_loss(tf.constant([[1.0]]), tf.constant([[0.0], [200.0]]), tf.zeros(2), tf.constant([0]))
    np.testing.assert_allclose(loss, [200.0])


def test_all_classes_as_candidates_is_the_full_softmax():
    head = head_of(len(COUNTS))
    hidden, labels = random_batch()
    full = keras.losses.sparse_categorical_crossentropy(labels, head(hidden), from_logits=True)
    np.testing.assert_allclose(head.sampled_loss(hidden, labels, step_seed(1, 0)), full, rtol=1e-5)


def test_candidates_hold_every_label_once_and_change_with_the_step():
    head = head_of(5, alpha=0.0)
    _, labels = random_batch()
    seen: set[tuple[int, ...]] = set()
    found = np.array([])
    for step in range(20):
        found, where, log_pi = (t.numpy() for t in head.candidates(labels, step_seed(1, step)))
        assert len(set(found)) == len(found) == len(log_pi)
        assert (found[where] == labels.numpy()).all()
        assert (log_pi <= 0).all()
        seen.add(tuple(sorted(found)))
    assert len(seen) > 1
    again = head.candidates(labels, step_seed(1, 19))[0]
    np.testing.assert_array_equal(again, found)


def test_inclusion_probability_is_how_often_a_class_is_included():
    head, batch, steps = head_of(6), 4, 2_000
    rng = np.random.default_rng(3)
    frequencies = np.asarray(COUNTS) / sum(COUNTS)
    included, log_pi_of = np.zeros(len(COUNTS)), np.zeros(len(COUNTS))
    draw = tf.function(head.candidates)
    for step in range(steps):
        labels = tf.constant(rng.choice(len(COUNTS), batch, p=frequencies), tf.int32)
        found, _, log_pi = draw(labels, step_seed(1, step))
        included[found.numpy()] += 1
        log_pi_of[found.numpy()] = log_pi.numpy()
    # Five standard deviations of a share estimated from so many draws.
    pi = np.exp(log_pi_of)
    assert (np.abs(included / steps - pi) < 5 * np.sqrt(pi * (1 - pi) / steps) + 1e-9).all()


def mean_partition(head: SampledSoftmax, hidden: tf.Tensor, sign: float, steps: int) -> np.ndarray:
    """The mean over draws of sum_j in candidates of exp(z_j - sign log pi_j): (rows,)."""
    rng = np.random.default_rng(4)
    frequencies = np.asarray(COUNTS) / sum(COUNTS)
    draw = tf.function(head.candidates)
    logits = head(hidden).numpy()
    total = np.zeros(len(logits))
    for step in range(steps):
        labels = tf.constant(rng.choice(len(COUNTS), 4, p=frequencies), tf.int32)
        found, _, log_pi = (t.numpy() for t in draw(labels, step_seed(1, step)))
        total += np.exp(logits[:, found] - sign * log_pi).sum(axis=1)
    return total / steps


def test_correction_makes_the_sampled_partition_function_unbiased_and_a_flipped_sign_does_not():
    head = head_of(6)
    hidden = random_batch()[0] * 0.3
    full = np.exp(head(hidden).numpy()).sum(axis=1)
    np.testing.assert_allclose(mean_partition(head, hidden, 1.0, 1_500), full, rtol=0.05)
    assert (np.abs(mean_partition(head, hidden, -1.0, 500) / full - 1) > 0.1).all()


def test_sampled_loss_uses_the_correction_with_the_right_sign():
    head = head_of(6)
    hidden, labels = random_batch()
    found, where, log_pi = (t.numpy() for t in head.candidates(labels, step_seed(1, 7)))
    logits = head(hidden).numpy()[:, found] - log_pi
    expected = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(where)), where]
    np.testing.assert_allclose(head.sampled_loss(hidden, labels, step_seed(1, 7)), expected, rtol=1e-5)


def test_labels_outside_the_vocabulary_cost_nothing_and_teach_nothing():
    head = head_of(5)
    hidden, labels = random_batch(3)
    hidden = tf.Variable(hidden)
    labels = tf.tensor_scatter_nd_update(labels, [[1]], [-1])
    with tf.GradientTape() as tape:
        loss = head.sampled_loss(hidden, labels, step_seed(1, 0))
    assert loss[1] == 0.0
    assert (loss.numpy()[[0, 2]] > 0).all()
    gradient = tape.gradient(loss, hidden).numpy()
    assert not gradient[1].any()
    assert gradient[0].any()


def test_output_weights_are_trained():
    head = head_of(5)
    hidden, labels = random_batch()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(head.sampled_loss(hidden, labels, step_seed(1, 0)))
    table, bias = tape.gradient(loss, [head.table.value, head.bias.value])
    assert np.abs(table.values.numpy()).sum() > 0
    assert set(labels.numpy()) <= set(table.indices.numpy())
    assert np.abs(bias.values.numpy()).sum() > 0


def test_bfloat16_is_close():
    hidden, labels = random_batch()
    exact, rough = head_of(5), head_of(5, logits_dtype="bfloat16")
    np.testing.assert_allclose(
        exact.sampled_loss(hidden, labels, step_seed(1, 0)),
        rough.sampled_loss(hidden, labels, step_seed(1, 0)),
        atol=0.05,
    )


def test_an_untrained_head_answers_with_the_frequencies():
    head = SampledSoftmax(COUNTS, 5)
    head.build((None, 4))
    probabilities = tf.nn.softmax(head(tf.zeros((1, 4))))[0]
    np.testing.assert_allclose(probabilities, np.asarray(COUNTS) / sum(COUNTS), rtol=1e-5)


def test_config_round_trip():
    head = SampledSoftmax(COUNTS, 5, alpha=0.5, seed=3, logits_dtype="bfloat16")
    assert SampledSoftmax.from_config(head.get_config()).get_config() == head.get_config()


@pytest.mark.parametrize("counts", [[5], [3, 0]])
def test_counts_that_make_no_sense_are_refused(counts):
    with pytest.raises(ValueError, match="at least"):
        SampledSoftmax(counts, 5)
