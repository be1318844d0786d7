"""Cross entropy over candidates, with an explicit gradient that keeps and reads only one wide matrix.

Sources: Jean et al., "On Using Very Large Target Vocabulary for Neural Machine Translation" (2015), and Bengio and
Senecal, "Adaptive Importance Sampling to Accelerate Training of a Neural Probabilistic Language Model" (2008).
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from components.layers.softmax import log_add, log_normaliser

# Classes of the full softmax whose logits are held at a time: 32 MiB per thousand rows.
CLASSES = 8_192


def candidates_loss(
    hidden: tf.Tensor, rows: tf.Tensor, bias: tf.Tensor, log_pi: tf.Tensor, own: tf.Tensor, dtype: str = "float32"
) -> tf.Tensor:
    """Return the cross entropy of each row over its own label and the candidates that all rows share.

        z_ij = hidden_i . rows_j + bias_j
        loss_i = log(exp z_i,own(i) + sum_(j < candidates, j != own(i)) exp(z_ij - log_pi_j)) - z_i,own(i)

    The sum is an unbiased estimate of the sum over all classes if class j is a candidate with probability pi_j
    (Horvitz and Thompson, 1952). A row's own label is always part of the sum, so its logit is never corrected.

    Let p be the softmax over the candidates in the wide matrix, and L its log normalizer. The sum over all classes but
    the own label is r, with log r = L + log(1 - p_own), so loss = log(1 + exp(log r - z_own)). Only the products p rows
    and p^T hidden of the gradient are wide. The term of the own label changes one row for each example.

    Args:
        hidden: (batch, width) float32.
        rows: (n, width) float32 rows of the candidates, followed by the rows of the labels that are not candidates.
        bias: (n,) float32.
        log_pi: (candidates,) float32, with 0 < candidates <= n. inf excludes a candidate. The first must be finite.
        own: (batch,) int32 position of each row's label among the n rows.
        dtype: "float32" or "bfloat16", the type of the inputs of the wide matrix products.

    Returns:
        (batch,) float32 losses in nats.
    """
    count = tf.shape(log_pi)[0]
    is_candidate = own < count
    place = tf.stack([tf.range(tf.shape(own)[0]), tf.where(is_candidate, own, 0)], axis=1)

    @tf.custom_gradient
    def loss_of(hidden, rows, bias):
        wide = _Wide(hidden, rows[:count], bias[:count] - log_pi, dtype)
        own_row = tf.gather(rows, own)
        own_logit = tf.reduce_sum(hidden * own_row, axis=1) + tf.gather(bias, own)
        own_wide = tf.where(is_candidate, tf.gather_nd(wide.probabilities, place), 0.0)
        log_rest = wide.log_normaliser + tf.math.log1p(-own_wide)
        loss = tf.nn.softplus(log_rest - own_logit)

        def gradient(upstream):
            # Rescale the softmax over the candidates to the softmax over the own label and the rest.
            weights = upstream * tf.exp(wide.log_normaliser - own_logit - loss)
            residual = upstream * (tf.sigmoid(own_logit - log_rest) - 1.0)
            d_hidden, d_rows, d_bias = wide.gradients(weights)
            # Subtract the part of the own label with the same rounding as in the matrix product.
            change = (residual - weights * wide.as_read(own_wide))[:, tf.newaxis]
            bias_change = residual - weights * own_wide
            into, after = own[:, tf.newaxis], tf.shape(rows)[0] - count
            return (
                d_hidden + change * own_row,
                tf.tensor_scatter_nd_add(tf.pad(d_rows, [[0, after], [0, 0]]), into, change * hidden),
                tf.tensor_scatter_nd_add(tf.pad(d_bias, [[0, after]]), into, bias_change),
            )

        return loss, gradient

    return loss_of(hidden, rows, bias)


def full_loss(
    hidden: tf.Tensor, table: tf.Tensor, bias: tf.Tensor, labels: tf.Tensor, dtype: str = "float32"
) -> tf.Tensor:
    """Return the exact cross entropy of each row over all classes.

    The function holds the logits of `CLASSES` classes at a time. With more classes, it carries log-sum-exp from chunk
    to chunk, and the gradient computes the logits of each chunk a second time.

    Args:
        hidden: (batch, width) float32.
        table: (classes, width) float32.
        bias: (classes,) float32.
        labels: (batch,) int32, each a valid class.
        dtype: "float32" or "bfloat16", the type of the inputs of the wide matrix products.

    Returns:
        (batch,) float32 losses in nats.
    """
    classes, width = table.shape
    if classes <= CLASSES:
        return candidates_loss(hidden, table, bias, tf.zeros([classes]), labels, dtype)

    @tf.custom_gradient
    def loss_of(hidden, table, bias):
        def wide_at(start: Any, count: int) -> _Wide:
            return _Wide(hidden, tf.slice(table, [start, 0], [count, width]), tf.slice(bias, [start], [count]), dtype)

        def add(start, count, total):
            return (log_add(total, wide_at(start, count).log_normaliser),)

        log_all = _over_chunks(classes, add, tf.fill(tf.shape(labels), float("-inf")))[0]
        own_row = tf.gather(table, labels)
        # Rounded as in the wide product: otherwise the loss of a label with probability 1 would be the rounding error.
        as_read = [tf.cast(tf.cast(x, dtype), tf.float32) for x in (hidden, own_row)]
        own_product = tf.cast(tf.reduce_sum(as_read[0] * as_read[1], axis=1), dtype)
        loss = log_all - tf.cast(own_product, tf.float32) - tf.gather(bias, labels)

        def gradient(upstream):
            def gradients_at(start: Any, count: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
                wide = wide_at(start, count)
                return wide.gradients(upstream * tf.exp(wide.log_normaliser - log_all))

            def push(start, count, d_hidden, d_table, d_bias):
                to_hidden, to_table, to_bias = gradients_at(start, count)
                number = start // CLASSES
                return d_hidden + to_hidden, d_table.write(number, to_table), d_bias.write(number, to_bias)

            arrays = [
                tf.TensorArray(tf.float32, classes // CLASSES, element_shape=shape)
                for shape in ([CLASSES, width], [CLASSES])
            ]
            d_hidden, *arrays = _over_whole_chunks(classes, push, tf.zeros_like(hidden), *arrays)
            d_table, d_bias = tf.reshape(arrays[0].stack(), [-1, width]), tf.reshape(arrays[1].stack(), [-1])
            if rest := classes % CLASSES:
                to_hidden, to_table, to_bias = gradients_at(classes - rest, rest)
                d_hidden += to_hidden
                d_table, d_bias = tf.concat([d_table, to_table], axis=0), tf.concat([d_bias, to_bias], axis=0)
            into, weights = labels[:, tf.newaxis], upstream[:, tf.newaxis]
            return (
                d_hidden - weights * own_row,
                tf.tensor_scatter_nd_sub(d_table, into, weights * hidden),
                tf.tensor_scatter_nd_sub(d_bias, into, upstream),
            )

        return loss, gradient

    return loss_of(hidden, tf.convert_to_tensor(table), tf.convert_to_tensor(bias))


def _over_chunks(classes: int, body: Any, *state: Any) -> Any:
    """Carry a state over all chunks. `body` takes the start of a chunk, its number of classes and the state."""
    state = _over_whole_chunks(classes, body, *state)
    rest = classes % CLASSES
    return body(classes - rest, rest, *state) if rest else state


def _over_whole_chunks(classes: int, body: Any, *state: Any) -> Any:
    """Carry a state over the chunks of exactly `CLASSES` classes, because XLA needs one static shape."""
    # Sequential, because parallel chunks would hold their logits at the same time.
    return tf.while_loop(
        lambda start, *_: start <= classes - CLASSES,
        lambda start, *state: (start + CLASSES, *body(start, CLASSES, *state)),
        (tf.constant(0), *state),
        parallel_iterations=1,
    )[1:]


class _Wide:
    """Softmax of hidden rows^T + bias, with its gradients.

    Attributes:
        probabilities: (batch, rows) float32 softmax.
        log_normaliser: (batch,) float32 log of the sum of the exponentials.
    """

    def __init__(self, hidden: tf.Tensor, rows: tf.Tensor, bias: tf.Tensor, dtype: str) -> None:
        self._hidden, self._rows, self._dtype = hidden, tf.cast(rows, dtype), dtype
        product = tf.matmul(tf.cast(hidden, dtype), self._rows, transpose_b=True)
        logits = tf.nn.bias_add(tf.cast(product, tf.float32), bias)
        self.probabilities = tf.nn.softmax(logits)
        self.log_normaliser = log_normaliser(logits, self.probabilities)

    def as_read(self, probabilities: tf.Tensor) -> tf.Tensor:
        """Return probabilities rounded to the type of the matrix products."""
        return tf.cast(tf.cast(probabilities, self._dtype), tf.float32)

    def gradients(self, weights: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return w p rows, p^T (w hidden) and p^T w: the gradients of the hidden vectors, the rows and the bias.

        Args:
            weights: (batch,) float32 factors w. They scale the narrow matrices, never the wide one.
        """
        read = tf.cast(self.probabilities, self._dtype)
        weighted = tf.cast(weights[:, tf.newaxis] * self._hidden, self._dtype)
        return (
            weights[:, tf.newaxis] * tf.cast(tf.matmul(read, self._rows), tf.float32),
            tf.cast(tf.matmul(read, weighted, transpose_a=True), tf.float32),
            tf.linalg.matvec(self.probabilities, weights, transpose_a=True),
        )
