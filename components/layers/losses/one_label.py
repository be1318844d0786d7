"""Cross entropy over candidates, with an explicit gradient that keeps and reads only one wide matrix.

Sources: Jean et al., "On Using Very Large Target Vocabulary for Neural Machine Translation" (2015), and Bengio and
Senecal, "Adaptive Importance Sampling to Accelerate Training of a Neural Probabilistic Language Model" (2008).
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from components.layers.classes.softmax import log_add
from components.layers.losses import wide as chunks
from components.layers.losses.wide import WideSoftmax, gradients_over_chunks, over_chunks


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
        wide = WideSoftmax(hidden, rows[:count], bias[:count] - log_pi, dtype)
        own_row = tf.gather(rows, own)
        own_logit = tf.reduce_sum(hidden * own_row, axis=1) + tf.gather(bias, own)
        own_wide = tf.where(is_candidate, tf.gather_nd(wide.slopes, place), 0.0)
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
    classes = table.shape[0]
    if classes <= chunks.CLASSES:
        return candidates_loss(hidden, table, bias, tf.zeros([classes]), labels, dtype)

    @tf.custom_gradient
    def loss_of(hidden, table, bias):
        def wide_at(start: Any, count: int) -> WideSoftmax:
            return WideSoftmax(hidden, *chunks.cut(start, count, table, bias), dtype)

        def add(start, count, total):
            return (log_add(total, wide_at(start, count).log_normaliser),)

        log_all = over_chunks(classes, add, tf.fill(tf.shape(labels), float("-inf")))[0]
        own_row = tf.gather(table, labels)
        loss = log_all - chunks.own_products(hidden, own_row, dtype) - tf.gather(bias, labels)

        def gradient(upstream):
            def gradients_at(start: Any, count: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
                wide = wide_at(start, count)
                return wide.gradients(upstream * tf.exp(wide.log_normaliser - log_all))

            d_hidden, d_table, d_bias = gradients_over_chunks(hidden, classes, gradients_at)
            into, weights = labels[:, tf.newaxis], upstream[:, tf.newaxis]
            return (
                d_hidden - weights * own_row,
                tf.tensor_scatter_nd_sub(d_table, into, weights * hidden),
                tf.tensor_scatter_nd_sub(d_bias, into, upstream),
            )

        return loss, gradient

    return loss_of(hidden, tf.convert_to_tensor(table), tf.convert_to_tensor(bias))
