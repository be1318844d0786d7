"""Measurement of rows with several labels over all classes, with few logits held at a time."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from components.layers.classes.int8 import rows_at
from components.layers.classes.softmax import LOGITS, best, in_chunks, log_add, log_normaliser
from components.layers.classes.sweep import CLASSES, ROUNDING, before_label, read_once, result_specs
from components.layers.losses.bonuses import Bonuses
from components.layers.losses.labels import Labels, LossName


class SeveralSweep(NamedTuple):
    """Result of a sweep over rows with several labels.

    Attributes:
        nll: (labels,) float32 nats. "softmax": negative log-likelihood of the label. "sigmoid": cross entropy of all
            classes of the row, divided by the number of its labels.
        rank: (labels,) int32 rank of the label among all classes of its row, from 1. The other labels of the row count.
        ids: (batch, k) int32 most probable classes, the most probable first.
        probabilities: (batch, k) float32 probabilities of the classes in `ids`. "softmax": over all classes.
            "sigmoid": of each class by itself.
    """

    nll: tf.Tensor
    rank: tf.Tensor
    ids: tf.Tensor
    probabilities: tf.Tensor


def sweep_several(
    hidden: tf.Tensor,
    table: Any,
    bias: Any,
    labels: Labels,
    loss: LossName = "softmax",
    k: int = 0,
    bonuses: Bonuses | None = None,
) -> SeveralSweep:
    """Measure the labels of rows, and find the most probable classes, under the logits hidden table^T + bias.

    Each logit is computed once, and equal logits are ranked as in `sweep.sweep`.

    Args:
        hidden: (batch, width) float32; batch may be 0.
        table: (classes, width) float32, or `Int8Rows`. The number of classes may be unknown when the graph is built.
        bias: (classes,) float32.
        labels: Labels of the rows, in ascending order of the rows. The shares are not read.
        loss: Loss that the logits were trained with.
        k: Number of the most probable classes to find.
        bonuses: Numbers to add to the logits of some classes of each row; None for none.

    Raises:
        ValueError: `k` is larger than the number of classes.
    """
    table, bias = read_once(table, bias, k)

    def of(start: tf.Tensor, end: tf.Tensor) -> SeveralSweep:
        first, last = tf.unstack(tf.searchsorted(labels.rows, tf.stack([start, end])))
        classes, rows, shares = (each[first:last] for each in (labels.classes, labels.rows, labels.shares))
        chosen = Labels(classes, rows - start, shares)
        added = None if bonuses is None else bonuses.take(start, end)
        return _swept(tf.cast(hidden[start:end], tf.float32), table, bias, chosen, loss, k, added)

    most = CLASSES if table.shape[0] is None else min(table.shape[0], CLASSES)
    return SeveralSweep(*in_chunks(tf.shape(hidden)[0], min(2_048, LOGITS // most), of, result_specs(k)))


def _swept(
    hidden: tf.Tensor,
    table: Any,
    bias: tf.Tensor,
    labels: Labels,
    loss: LossName,
    k: int,
    bonuses: Bonuses | None,
) -> SeveralSweep:
    static = table.shape[0]
    is_small = static is not None and static <= CLASSES
    classes = tf.shape(table)[0] if static is None else static
    batch, count = tf.shape(hidden)[0], tf.shape(labels.classes)[0]
    softmax = loss == "softmax"

    def logits_of(start: Any, end: Any) -> tf.Tensor:
        logits = tf.nn.bias_add(tf.matmul(hidden, table[start:end], transpose_b=True), bias[start:end])
        return logits if bonuses is None else bonuses.added(logits, start, end)

    def before(start: Any, end: Any, logits: tf.Tensor, own: tf.Tensor, margin: tf.Tensor) -> tf.Tensor:
        def of(first: tf.Tensor, last: tf.Tensor) -> tuple[tf.Tensor]:
            rows = tf.gather(logits, labels.rows[first:last])
            return (before_label(start, end, rows, labels.classes[first:last], own[first:last], margin[first:last]),)

        # The rows of the logits are copied for each label, so only some labels at a time.
        return in_chunks(count, tf.maximum(1, LOGITS // (end - start)), of, (tf.TensorSpec([], tf.int32),))[0]

    def total(logits: tf.Tensor) -> tf.Tensor:
        return log_normaliser(logits, tf.nn.softmax(logits)) if softmax else tf.reduce_sum(tf.nn.softplus(logits), 1)

    if is_small:
        logits = logits_of(0, classes)
        own = tf.gather_nd(logits, tf.stack([labels.rows, labels.classes], axis=1))
        rank, totals = before(0, classes, logits, own, tf.zeros_like(own)), total(logits)
        values, ids = best(logits, k)
    else:
        own = tf.reduce_sum(tf.gather(hidden, labels.rows) * rows_at(table, labels.classes), axis=1)
        own += tf.gather(bias, labels.classes)
        if bonuses is not None:
            own += bonuses.of(labels, classes)
        margin = ROUNDING * (1.0 + tf.abs(own))

        def body(start, totals, rank, values, ids):
            end = tf.minimum(start + CLASSES, classes)
            logits = logits_of(start, end)
            totals = log_add(totals, total(logits)) if softmax else totals + total(logits)
            new, where = best(logits, tf.minimum(k, end - start))
            # Earlier chunks have smaller ids, and top_k takes the first of equal values.
            values, order = tf.math.top_k(tf.concat([values, new], axis=1), k)
            ids = tf.gather(tf.concat([ids, where + start], axis=1), order, batch_dims=1)
            return end, totals, rank + before(start, end, logits, own, margin), values, ids

        lowest = tf.fill([batch, k], float("-inf"))
        first = tf.fill([batch], float("-inf") if softmax else 0.0)
        state = (0, first, tf.zeros_like(labels.classes), lowest, tf.zeros_like(lowest, tf.int32))
        # Sequential, because parallel chunks would hold their logits at the same time.
        _, totals, rank, values, ids = tf.while_loop(
            lambda start, *_: start < classes, body, state, parallel_iterations=1
        )
    of_rows = tf.gather(totals, labels.rows)
    if softmax:
        return SeveralSweep(of_rows - own, 1 + rank, ids, tf.exp(values - totals[:, tf.newaxis]))
    # softplus(-z) - softplus(z) = -z
    entropy = tf.gather(totals - labels.sums(own, batch), labels.rows)
    return SeveralSweep(
        entropy / tf.gather(labels.sums(tf.ones_like(own), batch), labels.rows), 1 + rank, ids, tf.sigmoid(values)
    )
