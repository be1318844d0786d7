"""Ranks of labels among the classes that a row does not contain yet."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from components.layers.classes.softmax import LOGITS, in_chunks

Scores = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def unseen_ranks(
    labels: tf.Tensor, ranks: tf.Tensor, seen: tf.RaggedTensor, scores: Scores, width: int, misses: int
) -> tf.Tensor:
    """Return the ranks of labels after removing the seen classes from the ranking.

        rank' = rank - #{j seen: s_j > s_label, or s_j = s_label and j < label}

    Only the scores s of the label and of the seen classes are computed. If the score of a seen class equals that of the
    label up to rounding, their order may differ from the order in `ranks`, which come from other products.

    Args:
        labels: (batch,) int32 classes, -1 outside the vocabulary.
        ranks: (batch,) int32 ranks of the labels among all classes, from 1.
        seen: (batch, None) int32 seen classes of each row, each class once and none negative.
        scores: Function that takes (n,) indices of rows and (n,) classes, and returns the (n,) float32 scores that rank
            the classes of a row.
        width: Numbers in memory per score, which limits the number of scores that are computed at once.
        misses: Rank of a label that is a seen class, or outside the vocabulary.

    Returns:
        (batch,) int32 ranks.
    """
    known = tf.maximum(labels, 0)
    own = scores(tf.range(tf.size(labels)), known)
    at, classes = tf.cast(seen.value_rowids(), tf.int32), seen.values

    def before(start: tf.Tensor, end: tf.Tensor) -> tuple[tf.Tensor]:
        of, others = at[start:end], classes[start:end]
        found, label = scores(of, others), tf.gather(own, of)
        return ((found > label) | ((found == label) & (others < tf.gather(known, of))),)

    (removed,) = in_chunks(tf.size(classes), max(1, LOGITS // width), before, (tf.TensorSpec([], tf.bool),))
    is_label = classes == tf.gather(known, at)
    count = tf.math.unsorted_segment_sum(tf.cast(removed, tf.int32), at, tf.size(labels))
    is_seen = tf.math.unsorted_segment_sum(tf.cast(is_label, tf.int32), at, tf.size(labels)) > 0
    # Rounding must not give a label a rank below 1.
    return tf.where((labels < 0) | is_seen, misses, tf.maximum(1, ranks - count))


def first_occurrences(ids: tf.RaggedTensor) -> tf.Tensor:
    """Return a mask of the values of ragged ids: True for the first occurrence of each class in its row.

    Args:
        ids: (rows, None) integer classes, -1 for an id that is not a class.

    Returns:
        (values,) bool, False for -1.
    """
    values = tf.cast(ids.values, tf.int64)
    classes = 2 + tf.reduce_max(tf.concat([values, [0]], axis=0))
    _, group = tf.unique(ids.value_rowids() * classes + values + 1)
    places = tf.range(tf.size(values))
    first = tf.math.unsorted_segment_min(places, group, tf.size(values))
    return (values >= 0) & (tf.gather(first, group) == places)
