"""Operations of a softmax that the losses and the sweep over all classes share."""

from __future__ import annotations

import math
from collections.abc import Callable

import tensorflow as tf

# Logits held at a time: 64 MiB in float32, small beside a model and large enough for a matrix product to be fast.
LOGITS = 1 << 24

# Columns of a block in `best`, if the number of columns is unknown when the graph is built.
_BLOCK = 32

# Below this value, float32 probabilities lose precision and underflow.
_TINY = 1e-30


def log_normaliser(logits: tf.Tensor, probabilities: tf.Tensor) -> tf.Tensor:
    """Return log(sum(exp(logits))) of each row, (batch,) float32.

    The result is computed from the softmax, whose CPU kernel is far faster than exp and sum. Any column with a
    probability that does not underflow in float32 gives the result: the first column if possible, otherwise the
    largest. The largest probability never underflows, but the search for it takes two passes.

    Args:
        logits: (batch, n) float32.
        probabilities: (batch, n) float32, the softmax of the logits.
    """
    return tf.cond(
        tf.reduce_any(probabilities[:, 0] < _TINY),
        lambda: tf.reduce_max(logits, axis=1) - tf.math.log(tf.reduce_max(probabilities, axis=1)),
        lambda: logits[:, 0] - tf.math.log(probabilities[:, 0]),
    )


def log_add(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Return log(exp a + exp b) of two tensors of the same shape. a may be -inf."""
    larger = tf.maximum(a, b)
    return larger + tf.math.log(tf.exp(a - larger) + tf.exp(b - larger))


def count_true(mask: tf.Tensor) -> tf.Tensor:
    """Return the number of true values in each row of a (batch, n) mask, (batch,) int32."""
    # The sum of floats is vectorized, and exact below 2^24 classes.
    return tf.cast(tf.reduce_sum(tf.cast(mask, tf.float32), axis=1), tf.int32)


def best(values: tf.Tensor, k: int | tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the largest k values of each row and their columns, like `tf.math.top_k` but in half the time.

    The maximum of a block of columns is vectorized, and the largest k values are in the k blocks with the largest
    maxima.

    Args:
        values: (batch, n) float32.
        k: Number of values, at most n.

    Returns:
        (batch, k) float32 values, the largest first, and (batch, k) int32 columns. Of columns with equal values, the
        smaller comes first.
    """
    n, block = values.shape[1], _BLOCK
    if isinstance(k, int) and n is not None:
        if k == 0 or n < 32 * k:
            return tf.math.top_k(values, k)
        # This size makes both searches equally long: over n / block maxima and over k * block values.
        block = 1 << round(math.log2(n / k) / 2)
    rows, n = tf.shape(values)[0], tf.shape(values)[1] if n is None else n
    count = -(-n // block)
    padded = tf.pad(values, [[0, 0], [0, count * block - n]], constant_values=float("-inf"))
    blocks = tf.reshape(padded, [rows, count, block])
    searched = tf.minimum(k, count)
    # Of equal maxima, top_k takes the first block. In sorted blocks, a smaller position means a smaller column.
    chosen = tf.sort(tf.math.top_k(tf.reduce_max(blocks, axis=2), searched).indices, axis=1)
    found = tf.reshape(tf.gather(blocks, chosen, batch_dims=1), [rows, searched * block])
    largest, places = tf.math.top_k(found, k)
    columns = tf.gather(chosen, places // block, batch_dims=1) * block + places % block
    return largest, columns


def sum_at(where: tf.Tensor, values: tf.Tensor, rows: tf.Tensor, columns: int | tf.Tensor) -> tf.Tensor:
    """Return a matrix with the sum of the values at each position, 0 elsewhere: (rows, columns) float32.

    Args:
        where: (any, 2) int64 pairs of row and column.
        values: (any,) float32 value of each pair.
        rows: Number of rows.
        columns: Number of columns.
    """
    shape = tf.cast(tf.stack([rows, columns]), tf.int64)
    if tf.config.list_physical_devices("GPU"):
        return tf.scatter_nd(where, values, shape)
    # This kernel takes a fifth of the time of `scatter_nd`, but exists only for CPUs.
    return tf.raw_ops.SparseBincount(
        indices=where, values=where[:, 1], dense_shape=shape, size=shape[1], weights=values, binary_output=False
    )


def in_chunks(
    rows: tf.Tensor,
    chunk: int | tf.Tensor,
    of: Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, ...]],
    like: tuple[tf.TensorSpec, ...],
) -> tuple[tf.Tensor, ...]:
    """Call a function for at most `chunk` rows at a time, and join its results along the rows.

    Args:
        rows: Number of rows, a scalar int32; may be 0.
        chunk: Maximum number of rows per call.
        of: Function that takes start and end, and returns tensors whose first dimension is end - start.
        like: Type and shape of each of these tensors, without the first dimension.
    """
    # At least one call, because `concat` needs at least one element.
    count = tf.maximum(1, (rows + chunk - 1) // chunk)
    arrays = tuple(tf.TensorArray(t.dtype, count, infer_shape=False, element_shape=[None, *t.shape]) for t in like)

    def body(i: tf.Tensor, arrays: tuple[tf.TensorArray, ...]) -> tuple[tf.Tensor, tuple[tf.TensorArray, ...]]:
        results = of(i * chunk, tf.minimum((i + 1) * chunk, rows))
        return i + 1, tuple(array.write(i, result) for array, result in zip(arrays, results, strict=True))

    # Sequential, because parallel chunks would hold their logits at the same time.
    _, arrays = tf.while_loop(lambda i, _: i < count, body, (tf.constant(0), arrays), parallel_iterations=1)
    return tuple(array.concat() for array in arrays)
