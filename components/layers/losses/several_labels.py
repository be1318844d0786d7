"""Losses of rows with several labels, over a sample of the classes or over all classes.

For the labels Y of a row, the logits z, and the shares t of the labels in the target mass of the row:

    softmax    (sum_(j in Y) t_j) log(sum_j exp z_j) - sum_(j in Y) t_j z_j
    sigmoid    sum_(j in Y) softplus(-z_j) + sum_(j not in Y) softplus(z_j)

`softmax` is the cross entropy of the distribution t. With one label, it is the loss of `one_label`. The probabilities
sum to 1 over the classes: the model predicts how likely a class is the next label. Source: Joulin et al., "Learning
Visual Features from Large Weakly Supervised Data" (2016), section 3.1. `sigmoid` is the sum of the binary cross
entropies of all classes: the model predicts how likely a class is one of the labels. Source: Bishop, "Pattern
Recognition and Machine Learning" (2006), equation 4.90.

Over a sample, a class that is not a label of the row is a candidate with probability pi, and its term, exp z or
softplus(z), counts 1 / pi times (Horvitz and Thompson, "A Generalization of Sampling Without Replacement From a Finite
Universe", 1952). Both sums over the candidates are therefore unbiased estimates of the sums over all classes. The
estimate of the `sigmoid` loss and its gradient are unbiased, too; the `softmax` loss is the logarithm of an estimate,
as with one label.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from components.layers.classes.softmax import log_add
from components.layers.losses import wide as chunks
from components.layers.losses.labels import Labels, LossName
from components.layers.losses.wide import Wide, WideSigmoid, WideSoftmax, gradients_over_chunks, over_chunks


def candidates_loss(
    hidden: tf.Tensor,
    rows: tf.Tensor,
    bias: tf.Tensor,
    log_pi: tf.Tensor,
    own: tf.Tensor,
    labels: Labels,
    loss: LossName = "softmax",
    dtype: str = "float32",
) -> tf.Tensor:
    """Return the loss of each row over its own labels and the candidates that all rows share.

    Args:
        hidden: (batch, width) float32.
        rows: (n, width) float32 rows of the candidates, followed by the rows of the labels that are not candidates.
        bias: (n,) float32.
        log_pi: (candidates,) float32, with 0 < candidates <= n. inf excludes a candidate. The first must be finite.
        own: (labels,) int32 position of each label among the n rows.
        labels: Labels of the rows. The classes are not read.
        loss: Kind of loss.
        dtype: "float32" or "bfloat16", the type of the inputs of the wide matrix products.

    Returns:
        (batch,) float32 losses in nats; 0 for a row without labels.
    """
    count, batch = tf.shape(log_pi)[0], tf.shape(hidden)[0]
    is_candidate = own < count
    # A label is not a negative sample of its own row.
    excluded = tf.stack([labels.rows, tf.where(is_candidate, own, 0)], axis=1), is_candidate

    @tf.custom_gradient
    def loss_of(hidden, rows, bias):
        own_rows, own_hidden = tf.gather(rows, own), tf.gather(hidden, labels.rows)
        own_logits = tf.reduce_sum(own_hidden * own_rows, axis=1) + tf.gather(bias, own)
        if loss == "softmax":
            wide: Wide = WideSoftmax(hidden, rows[:count], bias[:count] - log_pi, dtype, excluded)
            log_all = log_add(wide.log_normaliser, labels.log_sums(own_logits, batch))
            losses, slopes = _cross_entropy(log_all, own_logits, labels, batch)
            factors = labels.sums(labels.shares, batch) * tf.exp(wide.log_normaliser - log_all)
        else:
            wide = WideSigmoid(hidden, rows[:count], bias[:count], dtype, excluded, tf.exp(-log_pi))
            losses = _labeled(wide.total, labels, batch) + labels.sums(tf.nn.softplus(-own_logits), batch)
            factors, slopes = _labeled(tf.ones([batch]), labels, batch), -tf.sigmoid(-own_logits)

        def gradient(upstream):
            d_hidden, d_rows, d_bias = wide.gradients(upstream * factors)
            change = tf.gather(upstream, labels.rows) * slopes
            into, after = own[:, tf.newaxis], tf.shape(rows)[0] - count
            return (
                d_hidden + labels.sums(change[:, tf.newaxis] * own_rows, batch),
                tf.tensor_scatter_nd_add(
                    tf.pad(d_rows, [[0, after], [0, 0]]), into, change[:, tf.newaxis] * own_hidden
                ),
                tf.tensor_scatter_nd_add(tf.pad(d_bias, [[0, after]]), into, change),
            )

        return losses, gradient

    return loss_of(hidden, tf.convert_to_tensor(rows), tf.convert_to_tensor(bias))


def full_loss(
    hidden: tf.Tensor,
    table: tf.Tensor,
    bias: tf.Tensor,
    labels: Labels,
    loss: LossName = "softmax",
    dtype: str = "float32",
) -> tf.Tensor:
    """Return the exact loss of each row over all classes, with the logits of `wide.CLASSES` classes held at a time.

    Args:
        hidden: (batch, width) float32.
        table: (classes, width) float32.
        bias: (classes,) float32.
        labels: Labels of the rows.
        loss: Kind of loss.
        dtype: "float32" or "bfloat16", the type of the inputs of the wide matrix products.

    Returns:
        (batch,) float32 losses in nats; 0 for a row without labels.
    """
    classes, batch = table.shape[0], tf.shape(hidden)[0]
    if classes <= chunks.CLASSES:
        return candidates_loss(hidden, table, bias, tf.zeros([classes]), labels.classes, labels, loss, dtype)
    softmax = loss == "softmax"

    @tf.custom_gradient
    def loss_of(hidden, table, bias):
        def wide_at(start: Any, count: int) -> WideSoftmax | WideSigmoid:
            return (WideSoftmax if softmax else WideSigmoid)(hidden, *chunks.cut(start, count, table, bias), dtype)

        def add(start, count, total):
            wide = wide_at(start, count)
            return (log_add(total, wide.log_normaliser) if isinstance(wide, WideSoftmax) else total + wide.total,)

        total = over_chunks(classes, add, tf.fill([batch], float("-inf") if softmax else 0.0))[0]
        own_rows, own_hidden = tf.gather(table, labels.classes), tf.gather(hidden, labels.rows)
        own_logits = chunks.own_products(own_hidden, own_rows, dtype) + tf.gather(bias, labels.classes)
        if softmax:
            losses, _ = _cross_entropy(total, own_logits, labels, batch)
            mass, shares = labels.sums(labels.shares, batch), labels.shares
        else:
            # softplus(-z) - softplus(z) = -z
            losses = _labeled(total, labels, batch) - labels.sums(own_logits, batch)
            mass, shares = _labeled(tf.ones([batch]), labels, batch), tf.ones_like(labels.shares)

        def gradient(upstream):
            def gradients_at(start: Any, count: int) -> chunks.Gradients:
                wide = wide_at(start, count)
                weights = upstream * mass
                if isinstance(wide, WideSoftmax):
                    weights *= tf.exp(wide.log_normaliser - total)
                return wide.gradients(weights)

            d_hidden, d_table, d_bias = gradients_over_chunks(hidden, classes, gradients_at)
            change = tf.gather(upstream, labels.rows) * shares
            into = labels.classes[:, tf.newaxis]
            return (
                d_hidden - labels.sums(change[:, tf.newaxis] * own_rows, batch),
                tf.tensor_scatter_nd_sub(d_table, into, change[:, tf.newaxis] * own_hidden),
                tf.tensor_scatter_nd_sub(d_bias, into, change),
            )

        return losses, gradient

    return loss_of(hidden, tf.convert_to_tensor(table), tf.convert_to_tensor(bias))


def _cross_entropy(
    log_all: tf.Tensor, logits: tf.Tensor, labels: Labels, batch: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the losses, (batch,), and their derivatives with respect to the logits of the labels, (labels,)."""
    below = tf.gather(log_all, labels.rows) - logits
    mass = tf.gather(labels.sums(labels.shares, batch), labels.rows)
    return labels.sums(labels.shares * below, batch), mass * tf.exp(-below) - labels.shares


def _labeled(values: tf.Tensor, labels: Labels, batch: tf.Tensor) -> tf.Tensor:
    """Return the values of the rows with labels, and 0 for the others."""
    return tf.where(labels.sums(tf.ones_like(labels.shares), batch) > 0, values, 0.0)
