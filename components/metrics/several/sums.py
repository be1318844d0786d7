"""Sums over the labels of rows that may have several labels, each in TensorFlow and in NumPy.

A label has the weight 1 / size, where size is the number of labels of its row, so that each row has the weight 1.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from components.metrics.definitions import Sum


def _hit(at: int) -> Sum:
    """Return the sum of hit / size: of the recall of each row."""
    return Sum(
        f"hit_{at}",
        ("known", "rank", "size"),
        tensorflow=lambda known, rank, size: tf.where(known & (rank <= at), 1.0 / size, 0.0),
        numpy=lambda known, rank, size: np.where(known & (rank <= at), 1.0 / size, 0.0),
    )


def _reciprocal_rank(at: int) -> Sum:
    """Return the sum of 1 / rank of the best-ranked label of each row."""
    return Sum(
        f"rr_{at}",
        ("known", "rank", "first"),
        tensorflow=lambda known, rank, first: tf.where(
            known & first & (rank <= at), 1.0 / tf.cast(tf.maximum(rank, 1), tf.float64), 0.0
        ),
        numpy=lambda known, rank, first: np.where(known & first & (rank <= at), 1.0 / np.maximum(rank, 1), 0.0),
    )


def _discounted_gain(at: int) -> Sum:
    """Return the sum of 1 / log2(1 + rank), divided by its greatest value for the number of labels of the row."""
    ideal = np.append(np.nan, np.cumsum(1.0 / np.log2(1.0 + np.arange(1, at + 1))))

    def in_tensorflow(known, rank, size):
        gain = np.log(2.0) / tf.math.log(1.0 + tf.cast(tf.maximum(rank, 1), tf.float64))
        best = tf.gather(tf.constant(ideal), tf.cast(tf.minimum(size, float(at)), tf.int32))
        return tf.where(known & (rank <= at), gain / best, 0.0)

    def in_numpy(known, rank, size):
        gain = 1.0 / np.log2(1.0 + np.maximum(rank, 1))
        return np.where(known & (rank <= at), gain / ideal[np.minimum(size, at).astype(np.int64)], 0.0)

    return Sum(f"ndcg_{at}", ("known", "rank", "size"), tensorflow=in_tensorflow, numpy=in_numpy)


def _found(at: int) -> Sum:
    """Return the number of labels with a rank of at most `at`."""
    return Sum(
        f"found_{at}",
        ("known", "rank"),
        tensorflow=lambda known, rank: known & (rank <= at),
        numpy=lambda known, rank: known & (rank <= at),
    )


def _found_inverse(at: int) -> Sum:
    """Return the sum of the inverse propensities of the labels with a rank of at most `at`."""
    return Sum(
        f"psp_{at}",
        ("known", "rank", "inverse"),
        tensorflow=lambda known, rank, inverse: tf.where(known & (rank <= at), inverse, 0.0),
        numpy=lambda known, rank, inverse: np.where(known & (rank <= at), inverse, 0.0),
    )


def _ideal_inverse(at: int) -> Sum:
    """Return the greatest value of `_found_inverse`: with the least propensities first."""
    return Sum(
        f"psp_ideal_{at}",
        ("inverse", "ideal"),
        tensorflow=lambda inverse, ideal: tf.where(ideal <= at, inverse, 0.0),
        numpy=lambda inverse, ideal: np.where(ideal <= at, inverse, 0.0),
    )


NLL = Sum(
    "nll",
    ("known", "nll"),
    tensorflow=lambda known, nll: tf.where(known, nll, 0.0),
    numpy=lambda known, nll: np.where(known, nll, 0.0),
)
"""Sum of the nll of the known labels, also of rows with one label."""
LABEL_SUMS = (
    Sum(
        "count",
        ("size",),
        tensorflow=lambda size: 1.0 / size,
        numpy=lambda size: 1.0 / size,
    ),
    Sum(
        "known",
        ("known", "known_size"),
        tensorflow=lambda known, known_size: tf.where(known, 1.0 / known_size, 0.0),
        # A row without a known label has none to divide by.
        numpy=lambda known, known_size: np.where(known, 1.0 / np.maximum(known_size, 1.0), 0.0),
    ),
    Sum("labels", ("label",), tensorflow=tf.ones_like, numpy=np.ones_like),
    Sum(
        "labels_known",
        ("known",),
        tensorflow=lambda known: known,
        numpy=lambda known: known,
    ),
    NLL,
    _hit(1),
    _hit(5),
    _hit(10),
    _hit(20),
    _reciprocal_rank(10),
    _discounted_gain(10),
    *(_found(at) for at in (1, 3, 5)),
    *(of(at) for at in (1, 3, 5) for of in (_found_inverse, _ideal_inverse)),
)
"""Sums of several labels. The floating arguments are float64, since the thirds of a row with three labels sum to 1."""
