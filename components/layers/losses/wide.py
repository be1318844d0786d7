"""Wide matrix products of the losses: a batch of hidden vectors with the vectors of many classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from components.layers.classes.softmax import log_normaliser

# Classes of the full softmax whose logits are held at a time: 32 MiB per thousand rows.
CLASSES = 8_192
Gradients = tuple[tf.Tensor, tf.Tensor, tf.Tensor]
Excluded = tuple[tf.Tensor, tf.Tensor]
"""Logits to exclude: (any, 2) int32 pairs of row and column, and (any,) bool, False for a pair to ignore."""

# Logit of a class that is not a negative sample of a row. Finite, because the softmax of nothing but -inf is NaN.
_EXCLUDED = -1e30


class Wide:
    """Function of the logits hidden rows^T + bias, with its gradients.

    Args:
        hidden: (batch, width) float32.
        rows: (n, width) float32.
        dtype: "float32" or "bfloat16", the type of the inputs of the matrix products.

    Attributes:
        slopes: (batch, n) float32 derivative of the function with respect to the logits; set by the subclass.
    """

    slopes: tf.Tensor

    def __init__(self, hidden: tf.Tensor, rows: tf.Tensor, dtype: str) -> None:
        self._hidden, self._rows, self._dtype = hidden, tf.cast(rows, dtype), dtype

    # A method, because an attribute would keep the logits for the gradient, which reads only the slopes.
    def _logits(self, bias: tf.Tensor, excluded: Excluded | None) -> tf.Tensor:
        product = tf.matmul(tf.cast(self._hidden, self._dtype), self._rows, transpose_b=True)
        logits = tf.nn.bias_add(tf.cast(product, tf.float32), bias)
        if excluded is None:
            return logits
        places, holds = excluded
        return tf.tensor_scatter_nd_min(logits, places, tf.where(holds, _EXCLUDED, -_EXCLUDED))

    def as_read(self, slopes: tf.Tensor) -> tf.Tensor:
        """Return slopes rounded to the type of the matrix products."""
        return tf.cast(tf.cast(slopes, self._dtype), tf.float32)

    def gradients(self, weights: tf.Tensor) -> Gradients:
        """Return w s rows, s^T (w hidden) and s^T w: the gradients of the hidden vectors, the rows and the bias.

        Args:
            weights: (batch,) float32 factors w of the slopes s. They scale the narrow matrices, never the wide one.
        """
        read = tf.cast(self.slopes, self._dtype)
        weighted = tf.cast(weights[:, tf.newaxis] * self._hidden, self._dtype)
        return (
            weights[:, tf.newaxis] * tf.cast(tf.matmul(read, self._rows), tf.float32),
            tf.cast(tf.matmul(read, weighted, transpose_a=True), tf.float32),
            tf.linalg.matvec(self.slopes, weights, transpose_a=True),
        )


class WideSoftmax(Wide):
    """Log normalizer of a softmax. The slopes are the probabilities.

    Args:
        hidden: (batch, width) float32.
        rows: (n, width) float32.
        bias: (n,) float32.
        dtype: "float32" or "bfloat16", the type of the inputs of the matrix products.
        excluded: Logits to exclude, or None.

    Attributes:
        log_normaliser: (batch,) float32 log of the sum of the exponentials.
    """

    def __init__(
        self, hidden: tf.Tensor, rows: tf.Tensor, bias: tf.Tensor, dtype: str, excluded: Excluded | None = None
    ) -> None:
        super().__init__(hidden, rows, dtype)
        logits = self._logits(bias, excluded)
        self.slopes = tf.nn.softmax(logits)
        self.log_normaliser = log_normaliser(logits, self.slopes)


class WideSigmoid(Wide):
    """Weighted sum of softplus(logit), the cost of classes that do not apply. The slopes are the weighted sigmoids.

    Args:
        hidden: (batch, width) float32.
        rows: (n, width) float32.
        bias: (n,) float32.
        dtype: "float32" or "bfloat16", the type of the inputs of the matrix products.
        excluded: Logits to exclude, or None.
        factors: (n,) float32 weights of the classes. None: 1.

    Attributes:
        total: (batch,) float32 sums.
    """

    def __init__(
        self,
        hidden: tf.Tensor,
        rows: tf.Tensor,
        bias: tf.Tensor,
        dtype: str,
        excluded: Excluded | None = None,
        factors: tf.Tensor | None = None,
    ) -> None:
        super().__init__(hidden, rows, dtype)
        logits = self._logits(bias, excluded)
        costs, slopes = tf.nn.softplus(logits), tf.sigmoid(logits)
        if factors is None:
            self.total, self.slopes = tf.reduce_sum(costs, axis=1), slopes
        else:
            self.total, self.slopes = tf.linalg.matvec(costs, factors), slopes * factors


def own_products(hidden: tf.Tensor, rows: tf.Tensor, dtype: str) -> tf.Tensor:
    """Return the dot products of vectors with the same index, (n,) float32, rounded as in the wide product.

    Otherwise the loss of a label with probability 1 would be the rounding error.

    Args:
        hidden: (n, width) float32.
        rows: (n, width) float32.
        dtype: "float32" or "bfloat16", the type of the inputs of the wide product.
    """
    as_read = [tf.cast(tf.cast(x, dtype), tf.float32) for x in (hidden, rows)]
    return tf.cast(tf.cast(tf.reduce_sum(as_read[0] * as_read[1], axis=1), dtype), tf.float32)


def cut(start: Any, count: int, table: tf.Tensor, bias: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the vectors and the bias of a chunk of classes."""
    return tf.slice(table, [start, 0], [count, table.shape[1]]), tf.slice(bias, [start], [count])


def over_chunks(classes: int, body: Any, *state: Any) -> Any:
    """Carry a state over all chunks. `body` takes the start of a chunk, its number of classes and the state."""
    state = _over_whole(classes, body, *state)
    rest = classes % CLASSES
    return body(classes - rest, rest, *state) if rest else state


def gradients_over_chunks(hidden: tf.Tensor, classes: int, of: Callable[[Any, int], Gradients]) -> Gradients:
    """Return the gradients of the hidden vectors, of the table and of the bias, one chunk of classes at a time.

    Args:
        hidden: (batch, width) float32.
        classes: Number of classes.
        of: Function that takes the start of a chunk and its number of classes, and returns the gradients of the chunk.
    """
    width = hidden.shape[-1]

    def push(start, count, d_hidden, d_table, d_bias):
        to_hidden, to_table, to_bias = of(start, count)
        number = start // CLASSES
        return d_hidden + to_hidden, d_table.write(number, to_table), d_bias.write(number, to_bias)

    arrays = [
        tf.TensorArray(tf.float32, classes // CLASSES, element_shape=shape) for shape in ([CLASSES, width], [CLASSES])
    ]
    d_hidden, *arrays = _over_whole(classes, push, tf.zeros_like(hidden), *arrays)
    d_table, d_bias = tf.reshape(arrays[0].stack(), [-1, width]), tf.reshape(arrays[1].stack(), [-1])
    if rest := classes % CLASSES:
        to_hidden, to_table, to_bias = of(classes - rest, rest)
        d_hidden += to_hidden
        d_table, d_bias = tf.concat([d_table, to_table], axis=0), tf.concat([d_bias, to_bias], axis=0)
    return d_hidden, d_table, d_bias


def _over_whole(classes: int, body: Any, *state: Any) -> Any:
    """Carry a state over the chunks of exactly `CLASSES` classes, because XLA needs one static shape."""
    # Sequential, because parallel chunks would hold their logits at the same time.
    return tf.while_loop(
        lambda start, *_: start <= classes - CLASSES,
        lambda start, *state: (start + CLASSES, *body(start, CLASSES, *state)),
        (tf.constant(0), *state),
        parallel_iterations=1,
    )[1:]
