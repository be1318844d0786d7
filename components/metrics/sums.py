"""The sums that metrics are made of, each in TensorFlow and in NumPy."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from components.metrics.definitions import Metric, Sum


def _hit(at: int) -> Sum:
    return Sum(
        f"hit_{at}",
        ("known", "rank"),
        tensorflow=lambda known, rank: known & (rank <= at),
        numpy=lambda known, rank: known & (rank <= at),
    )


CLASS_SUMS = (
    Sum("count", ("label",), tensorflow=tf.ones_like, numpy=np.ones_like),
    Sum("known", ("known",), tensorflow=lambda known: known, numpy=lambda known: known),
    Sum(
        "nll",
        ("known", "nll"),
        tensorflow=lambda known, nll: tf.where(known, nll, 0.0),
        numpy=lambda known, nll: np.where(known, nll, 0.0),
    ),
    _hit(1),
    _hit(10),
    _hit(20),
    Sum(
        "rr_10",
        ("known", "rank"),
        tensorflow=lambda known, rank: tf.where(known & (rank <= 10), 1.0 / tf.cast(rank, tf.float32), 0.0),
        # The rank of what is not known may be 0.
        numpy=lambda known, rank: np.where(known & (rank <= 10), 1.0 / np.maximum(rank, 1), 0.0),
    ),
)
NUMBER_SUMS = (
    Sum("count", ("number",), tensorflow=tf.ones_like, numpy=np.ones_like),
    Sum(
        "squared_error",
        ("answer", "number"),
        tensorflow=lambda answer, number: tf.square(answer - number),
        numpy=lambda answer, number: np.square(answer - number),
        squared=True,
    ),
    Sum(
        "absolute_error",
        ("answer", "number"),
        tensorflow=lambda answer, number: tf.abs(answer - number),
        numpy=lambda answer, number: np.abs(answer - number),
    ),
    Sum(
        "deviation",
        ("number", "mean"),
        tensorflow=lambda number, mean: number - mean,
        numpy=lambda number, mean: number - mean,
    ),
    Sum(
        "squared_deviation",
        ("number", "mean"),
        tensorflow=lambda number, mean: tf.square(number - mean),
        numpy=lambda number, mean: np.square(number - mean),
        squared=True,
    ),
)


def needed(metrics: Iterable[Metric], numbers: bool) -> tuple[Sum, ...]:
    """Return the sums that metrics are made of, each once: those of the table in its order, then a user's own.

    Args:
        metrics: Metrics of one kind.
        numbers: Whether they are of numbers.
    """
    named = {of if isinstance(of, str) else of.name: of for metric in metrics for of in metric.sums}
    table = NUMBER_SUMS if numbers else CLASS_SUMS
    own = [of for of in named.values() if isinstance(of, Sum)]
    return (*(of for of in table if isinstance(named.get(of.name), str)), *own)
