"""Sums from which metrics are computed, each in TensorFlow and in NumPy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
import tensorflow as tf

from components.metrics.definitions import Kind, Metric, Sum
from components.metrics.reliability import BINS, CONFIDENCE, CORRECT, COUNT, sum_name
from components.metrics.several.sums import LABEL_SUMS, NLL


def _hit(at: int) -> Sum:
    return Sum(
        f"hit_{at}",
        ("known", "rank"),
        tensorflow=lambda known, rank: known & (rank <= at),
        numpy=lambda known, rank: known & (rank <= at),
    )


def _reciprocal_rank(at: int) -> Sum:
    return Sum(
        f"rr_{at}",
        ("known", "rank"),
        tensorflow=lambda known, rank: tf.where(known & (rank <= at), 1.0 / tf.cast(rank, tf.float32), 0.0),
        # The rank of a label outside the vocabulary may be 0.
        numpy=lambda known, rank: np.where(known & (rank <= at), 1.0 / np.maximum(rank, 1), 0.0),
    )


def _discounted_gain(at: int) -> Sum:
    """Return the sum of 1 / log2(1 + rank): DCG with one relevant class, whose ideal DCG is 1."""
    return Sum(
        f"ndcg_{at}",
        ("known", "rank"),
        tensorflow=lambda known, rank: tf.where(
            known & (rank <= at), math.log(2) / tf.math.log(1.0 + tf.cast(tf.maximum(rank, 1), tf.float32)), 0.0
        ),
        numpy=lambda known, rank: np.where(known & (rank <= at), 1.0 / np.log2(1.0 + np.maximum(rank, 1)), 0.0),
    )


def _of_bins() -> Iterator[Sum]:
    """Yield the sums of each bin of the confidence: all predictions, their probabilities, and the correct ones."""
    # The first and the last bin are open, because rounding may give a probability above 1.
    ranges = [[low, high] for low, high in BINS]
    ranges[0][0], ranges[-1][1] = -math.inf, math.inf
    for place, (low, high) in enumerate(ranges):
        low, high = np.float32(low), np.float32(high)

        def inside(confidence, low=low, high=high):
            return (confidence >= low) & (confidence < high)

        yield Sum(sum_name(COUNT, place), ("confidence",), tensorflow=inside, numpy=inside)
        yield Sum(
            sum_name(CONFIDENCE, place),
            ("confidence",),
            tensorflow=lambda confidence, inside=inside: tf.where(inside(confidence), confidence, 0.0),
            numpy=lambda confidence, inside=inside: np.where(inside(confidence), confidence, 0.0),
        )
        yield Sum(
            sum_name(CORRECT, place),
            ("confidence", "correct"),
            # A share of 1 if a row has several labels.
            tensorflow=lambda confidence, correct, inside=inside: tf.where(
                inside(confidence), tf.cast(correct, confidence.dtype), 0.0
            ),
            numpy=lambda confidence, correct, inside=inside: np.where(inside(confidence), correct, 0.0),
        )


_BIN_SUMS = tuple(_of_bins())
CLASS_SUMS = (
    Sum("count", ("label",), tensorflow=tf.ones_like, numpy=np.ones_like),
    Sum(
        "known",
        ("known",),
        # Not on one line: AutoGraph finds the source of a function by its line and arguments.
        tensorflow=lambda known: known,
        numpy=lambda known: known,
    ),
    NLL,
    _hit(1),
    _hit(5),
    _hit(10),
    _hit(20),
    _reciprocal_rank(10),
    _reciprocal_rank(20),
    _discounted_gain(10),
    *_BIN_SUMS,
)
SEVERAL_SUMS = (*LABEL_SUMS, *_BIN_SUMS)
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


def sums_of(kind: Kind) -> tuple[Sum, ...]:
    """Return all sums of a kind of label or target."""
    return {"number": NUMBER_SUMS, "several": SEVERAL_SUMS}.get(kind, CLASS_SUMS)


def needed(metrics: Iterable[Metric], kind: Kind) -> tuple[Sum, ...]:
    """Return the sums that metrics need, without duplicates: first those of this module in order, then a user's own.

    Args:
        metrics: Metrics of one kind.
        kind: The kind.
    """
    named = {of if isinstance(of, str) else of.name: of for metric in metrics for of in metric.sums}
    own = [of for of in named.values() if isinstance(of, Sum)]
    return (*(of for of in sums_of(kind) if isinstance(named.get(of.name), str)), *own)


def without_model_sums(metrics: Iterable[Metric]) -> tuple[Metric, ...]:
    """Return the metrics that need no sum of the model alone."""
    of_model = {of.name for of in _BIN_SUMS}
    return tuple(metric for metric in metrics if not of_model & {of for of in metric.sums if isinstance(of, str)})
