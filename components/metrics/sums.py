"""The sums that the `eval` signature answers: one number for each row and name, added up over the row's windows."""

# TensorFlow's and Keras's annotations are narrower than what they take and give.
# pyright: reportArgumentType=false, reportReturnType=false, reportOperatorIssue=false

from __future__ import annotations

import tensorflow as tf

from components.metrics.bands import BandSpec
from components.metrics.columns import SUMS

Values = dict[str, tf.Tensor]


def label_values(labels: tf.Tensor, nll: tf.Tensor, rank: tf.Tensor, bands: BandSpec) -> Values:
    """Of each window, by the names in `components.metrics.columns.COLUMNS`.

    Args:
        labels: (windows,) int32, -1 outside the vocabulary.
        nll: (windows,) nats.
        rank: (windows,) 1 for the most probable class.
        bands: of labels.
    """
    known = labels >= 0
    head = known & (labels < bands.head)
    torso = known & ~head & (labels < bands.torso)
    place = tf.cast(rank, tf.float32)
    values = {
        "count": tf.ones_like(place),
        "known": tf.cast(known, tf.float32),
        "nll": nll,
        **{f"hit_{k}": tf.cast(known & (rank <= k), tf.float32) for k in (1, 10, 20)},
        "rr_10": tf.where(known & (rank <= 10), 1.0 / place, 0.0),
    }
    masks = {"": tf.ones_like(known), "_head": head, "_torso": torso, "_tail": ~head & ~torso}
    return {f"{name}{band}": tf.where(mask, values[name], 0.0) for band, mask in masks.items() for name in SUMS}


def class_values(classes: tf.Tensor, nll: tf.Tensor, rank: tf.Tensor, given: tf.Tensor) -> Values:
    """Of each window, by the names in `components.metrics.parts.CLASS_SUMS`.

    Args:
        classes: (windows,) int32, -1 outside the vocabulary or missing.
        nll: (windows,) nats.
        rank: (windows,) 1 for the most probable class.
        given: (windows,) bool, whether the row has a value, known or not.
    """
    known = classes >= 0
    return {
        "count": tf.cast(given, tf.float32),
        "known": tf.cast(known, tf.float32),
        "nll": nll,
        "hit_1": tf.cast(known & (rank <= 1), tf.float32),
    }


def number_values(answers: tf.Tensor, numbers: tf.Tensor, mean: tf.Tensor) -> Values:
    """Of each window, by the names in `components.metrics.parts.NUMBER_SUMS`.

    Args:
        answers: (windows,) of the model.
        numbers: (windows,) to be answered, NaN where missing.
        mean: of the train split.

    Returns:
        float64: float32 cannot hold the square of 1e21.
    """
    known = ~tf.math.is_nan(numbers)
    answers, numbers, mean = (tf.cast(x, tf.float64) for x in (answers, numbers, mean))
    zero = tf.zeros_like(numbers)
    error, deviation = (tf.where(known, x, zero) for x in (answers - numbers, numbers - mean))
    return {
        "count": tf.cast(known, tf.float64),
        "squared_error": tf.square(error),
        "absolute_error": tf.abs(error),
        "deviation": deviation,
        "squared_deviation": tf.square(deviation),
    }


def by_row(values: Values, windows: tf.Tensor, rows: tf.Tensor) -> Values:
    """Adds up windows by row: (windows,) each -> (rows,) each.

    Args:
        values: by name.
        windows: (windows,) the row of each.
        rows: how many there are.
    """
    return {name: tf.math.unsorted_segment_sum(value, windows, rows) for name, value in values.items()}
