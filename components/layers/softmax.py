"""What the losses and the sweep over all classes have in common."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

# Logits held at a time: 64 MiB in float32, small beside a model and large enough for a matrix product to be fast.
LOGITS = 1 << 24

# Below this, float32 probabilities lose digits and then vanish.
_TINY = 1e-30


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


def log_add(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """log(exp a + exp b), where a may be -inf."""
    larger = tf.maximum(a, b)
    return larger + tf.math.log(tf.exp(a - larger) + tf.exp(b - larger))


def count_true(mask: tf.Tensor) -> tf.Tensor:
    """(batch, n) booleans -> (batch,) int32: how many are true."""
    # Summed as floats, which are vectorised; exact below 2^24 classes.
    return tf.cast(tf.reduce_sum(tf.cast(mask, tf.float32), axis=1), tf.int32)


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
