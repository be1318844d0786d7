"""Full softmax over many classes, in one sweep with few logits held at a time."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from components.layers.classes.int8 import Int8Rows, rows_at
from components.layers.classes.softmax import LOGITS, best, count_true, in_chunks, log_add, log_normaliser

# Maximum number of classes whose logits are held at a time, for as many rows as `LOGITS` allows.
CLASSES = 32_768

# Absolute and relative difference of a logit between two orders of summation.
ROUNDING = 1e-6


class Sweep(NamedTuple):
    """Result of a sweep.

    Attributes:
        nll: (batch,) float32 nats, negative log-likelihood of the label; 0 for the label -1.
        rank: (batch,) int32 rank of the label, from 1; classes + 1 for the label -1.
        ids: (batch, k) int32 most probable classes, the most probable first.
        probabilities: (batch, k) float32 probabilities of the classes in `ids`, over all classes.
    """

    nll: tf.Tensor
    rank: tf.Tensor
    ids: tf.Tensor
    probabilities: tf.Tensor


def sweep(hidden: tf.Tensor, table: Any, bias: Any, labels: tf.Tensor | None = None, k: int = 0) -> Sweep:
    """Measure labels and find the most probable classes under softmax(hidden table^T + bias).

    Each logit is computed once. At most `LOGITS` logits are held, of `CLASSES` classes at a time. The normalizer, the
    counts for the rank and the k largest logits carry over from chunk to chunk. The largest logit has rank 1. Of
    classes with equal logits, the smaller id comes first. With more than `CLASSES` classes, logits within rounding
    (1e-6) of the logit of the label count as equal to it.

    Args:
        hidden: (batch, width) float32; batch may be 0.
        table: (classes, width) float32, or `Int8Rows`. The number of classes may be unknown when the graph is built.
        bias: (classes,) float32.
        labels: (batch,) integers, -1 outside the vocabulary; None if neither nll nor rank is needed.
        k: Number of the most probable classes to find.

    Raises:
        ValueError: `k` is larger than the number of classes.
    """
    table, bias = read_once(table, bias, k)
    rows = tf.shape(hidden)[0]

    def of(start: tf.Tensor, end: tf.Tensor) -> Sweep:
        part = None if labels is None else tf.cast(labels[start:end], tf.int32)
        return _sweep(tf.cast(hidden[start:end], tf.float32), table, bias, part, k)

    most = CLASSES if table.shape[0] is None else min(table.shape[0], CLASSES)
    return Sweep(*in_chunks(rows, min(2_048, LOGITS // most), of, result_specs(k)))


def read_once(table: Any, bias: Any, k: int) -> tuple[Any, tf.Tensor]:
    """Return the class vectors and the bias as tensors, because each slice of a variable may copy the whole variable.

    Args:
        table: (classes, width) float32, or `Int8Rows`.
        bias: (classes,) float32.
        k: Number of the most probable classes to find.

    Raises:
        ValueError: `k` is larger than the number of classes.
    """
    table = table.read() if isinstance(table, Int8Rows) else tf.convert_to_tensor(table)
    bias = tf.convert_to_tensor(bias)
    classes = table.shape[0]
    if classes is not None and k > classes:
        raise ValueError(f"cannot return {k} classes: there are only {classes} classes")
    return table, bias


def result_specs(k: int) -> tuple[tf.TensorSpec, ...]:
    """Return the types of nll, rank, ids and probabilities, each without its first dimension: see `Sweep`."""
    return (
        tf.TensorSpec([], tf.float32),
        tf.TensorSpec([], tf.int32),
        tf.TensorSpec([k], tf.int32),
        tf.TensorSpec([k], tf.float32),
    )


def _sweep(hidden: tf.Tensor, table: Any, bias: tf.Tensor, labels: tf.Tensor | None, k: int) -> Sweep:
    static = table.shape[0]
    is_small = static is not None and static <= CLASSES
    classes = tf.shape(table)[0] if static is None else static
    known = tf.fill(tf.shape(hidden)[:1], False) if labels is None else labels >= 0
    label = tf.zeros_like(known, tf.int32) if labels is None else tf.maximum(labels, 0)

    def logits_of(start: Any, end: Any) -> tf.Tensor:
        return tf.nn.bias_add(tf.matmul(hidden, table[start:end], transpose_b=True), bias[start:end])

    def swept(start: Any, end: Any, logits: tf.Tensor, own: tf.Tensor, margin: Any) -> tuple[tf.Tensor, ...]:
        """Return log normalizer, number of classes before the label, largest logits and their ids, of one chunk."""
        before = tf.zeros_like(label) if labels is None else before_label(start, end, logits, label, own, margin)
        values, ids = best(logits, k if is_small else tf.minimum(k, end - start))
        return log_normaliser(logits, tf.nn.softmax(logits)), before, values, ids + start

    if is_small:
        logits = logits_of(0, classes)
        own = tf.gather(logits, label, batch_dims=1)
        normaliser, before, values, ids = swept(0, classes, logits, own, tf.zeros_like(own))
    else:
        own = tf.reduce_sum(hidden * rows_at(table, label), axis=1) + tf.gather(bias, label)
        margin = ROUNDING * (1.0 + tf.abs(own))

        def body(start, normaliser, before, values, ids):
            end = tf.minimum(start + CLASSES, classes)
            found = swept(start, end, logits_of(start, end), own, margin)
            # Earlier chunks have smaller ids, and top_k takes the first of equal values.
            values, order = tf.math.top_k(tf.concat([values, found[2]], axis=1), k)
            ids = tf.gather(tf.concat([ids, found[3]], axis=1), order, batch_dims=1)
            return end, log_add(normaliser, found[0]), before + found[1], values, ids

        lowest = tf.fill([tf.shape(hidden)[0], max(k, 1)], float("-inf"))
        state = (0, lowest[:, 0], tf.zeros_like(label), lowest[:, :k], tf.zeros_like(lowest[:, :k], tf.int32))
        # Sequential, because parallel chunks would hold their logits at the same time.
        _, normaliser, before, values, ids = tf.while_loop(
            lambda start, *_: start < classes, body, state, parallel_iterations=1
        )
    return Sweep(
        tf.where(known, normaliser - own, 0.0),
        tf.where(known, 1 + before, classes + 1),
        ids,
        tf.exp(values - normaliser[:, tf.newaxis]),
    )


def before_label(
    start: Any, end: Any, logits: tf.Tensor, label: tf.Tensor, own: tf.Tensor, margin: tf.Tensor
) -> tf.Tensor:
    """Return the number of classes before each label, (labels,) int32, among the classes of a chunk.

    Args:
        start: First class of the chunk.
        end: Class after the last class of the chunk.
        logits: (labels, end - start) float32 logits of the row of each label.
        label: (labels,) int32 classes.
        own: (labels,) float32 logits of the labels.
        margin: (labels,) float32 differences within which logits count as equal.
    """
    own, margin = own[:, tf.newaxis], margin[:, tf.newaxis]
    above, not_below = count_true(logits > own + margin), count_true(logits >= own - margin)
    before = tf.where(label >= end, not_below, above)
    # Ids decide ties within the label's own chunk. Ties are rare, and the label always ties with itself.
    tied = tf.where((label >= start) & (label < end) & (not_below - above > 1))
    difference = tf.abs(tf.gather_nd(logits, tied) - tf.gather_nd(own, tied)) <= tf.gather_nd(margin, tied)
    smaller = tf.range(start, end) < tf.gather_nd(label, tied)[:, tf.newaxis]
    return tf.tensor_scatter_nd_add(before, tied, count_true(difference & smaller))
