"""The full softmax over many classes, a part of the rows at a time."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

# Logits held at a time: 64 MiB in float32, small beside a model and large enough for a matrix product to be fast.
LOGITS = 1 << 24

# Below this, float32 probabilities lose digits and then vanish.
_TINY = 1e-30


def chunk_rows(classes: int) -> int:
    """How many rows of logits are computed at a time."""
    return max(1, min(2_048, LOGITS // classes))


def nll_and_rank(logits: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Negative log likelihood and rank of each row's label.

    Rank 1 is the largest logit; of equal logits the smaller id comes first.

    Args:
        logits: (batch, classes) float32.
        labels: (batch,) int32; -1 is outside the vocabulary.

    Returns:
        (batch,) float32 nats, 0 where the label is -1; (batch,) int32 ranks, classes + 1 where the label is -1.
    """
    known = labels >= 0
    labels = tf.maximum(labels, 0)
    own = tf.gather(logits, labels, batch_dims=1)[:, tf.newaxis]
    nll = log_normaliser(logits, tf.nn.softmax(logits)) - own[:, 0]
    greater = count_true(logits > own)
    # Ties are rare, and to order them takes a pass of its own.
    ties = count_true(tf.equal(logits, own)) - 1
    before = tf.cond(
        tf.reduce_any(ties > 0),
        lambda: count_true(tf.equal(logits, own) & (tf.range(tf.shape(logits)[1]) < labels[:, tf.newaxis])),
        lambda: tf.zeros_like(ties),
    )
    return tf.where(known, nll, 0.0), tf.where(known, 1 + greater + before, tf.shape(logits)[1] + 1)


def log_normaliser(logits: tf.Tensor, probabilities: tf.Tensor) -> tf.Tensor:
    """log(sum(exp(logits))) of each row, (batch,): from their softmax, whose CPU kernel is far faster than exp and sum.

    Any column tells it, if its probability has not vanished in float32. The largest never does, but to find that takes
    two passes.
    """
    return tf.cond(
        tf.reduce_any(probabilities[:, 0] < _TINY),
        lambda: tf.reduce_max(logits, axis=1) - tf.math.log(tf.reduce_max(probabilities, axis=1)),
        lambda: logits[:, 0] - tf.math.log(probabilities[:, 0]),
    )


def count_true(mask: tf.Tensor) -> tf.Tensor:
    """(batch, n) booleans -> (batch,) int32: how many are true."""
    # Summed as floats, which are vectorised; exact below 2^24 classes.
    return tf.cast(tf.reduce_sum(tf.cast(mask, tf.float32), axis=1), tf.int32)


def top(logits: tf.Tensor, k: int) -> tuple[tf.Tensor, tf.Tensor]:
    """The k most probable classes of each row, the most probable first.

    Returns:
        (batch, k) int32 ids and (batch, k) float32 probabilities over all classes.
    """
    values, ids = tf.math.top_k(logits, k)
    return ids, tf.exp(values - log_normaliser(logits, tf.nn.softmax(logits))[:, tf.newaxis])


def in_chunks(
    rows: tf.Tensor,
    chunk: int,
    of: Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, ...]],
    like: tuple[tf.TensorSpec, ...],
) -> tuple[tf.Tensor, ...]:
    """Computes something for all rows, at most `chunk` rows at a time, and joins the results.

    Args:
        rows: scalar int32, number of rows; may be 0.
        chunk: rows at a time.
        of: (start, end) -> tensors whose first dimension is end - start.
        like: of each of these tensors, the type and the shape without the first dimension.
    """
    # At least one, so that there is something to join.
    count = tf.maximum(1, (rows + chunk - 1) // chunk)
    arrays = tuple(tf.TensorArray(t.dtype, count, infer_shape=False, element_shape=[None, *t.shape]) for t in like)

    def body(i: tf.Tensor, arrays: tuple[tf.TensorArray, ...]) -> tuple[tf.Tensor, tuple[tf.TensorArray, ...]]:
        results = of(i * chunk, tf.minimum((i + 1) * chunk, rows))
        return i + 1, tuple(array.write(i, result) for array, result in zip(arrays, results, strict=True))

    # One chunk after the other: chunks side by side would hold their logits side by side.
    _, arrays = tf.while_loop(lambda i, _: i < count, body, (tf.constant(0), arrays), parallel_iterations=1)
    return tuple(array.concat() for array in arrays)
