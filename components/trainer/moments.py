"""Mean and standard deviation of the numbers that a model is to answer."""

# TensorFlow's and Keras's annotations are narrower than what they take and give.
# pyright: reportOptionalMemberAccess=false, reportArgumentType=false

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf

from components.names import name_of
from components.trainer.layout import LABEL, Layout
from components.trainer.windows import target_columns


@dataclass(frozen=True)
class Moments:
    """Of a target over the training windows that have it, in its own units.

    Attributes:
        mean: its mean.
        deviation: its standard deviation; 1 where all values are equal.
    """

    mean: float
    deviation: float


def number_moments(files: Sequence[str], layout: Layout) -> dict[str, Moments]:
    """The moments of each target that is a number, `label` among them; no pass over the files where there is none.

    Args:
        files: TFRecords (gzip) of Transform, the train split.
        layout: what a window is made of.

    Raises:
        ValueError: a target has no value in any window with a known label.
    """
    names = (*([LABEL] if layout.label_kind == "number" else []), *layout.target_numbers)
    if not names:
        return {}

    def add(sums: tf.Tensor, targets: dict[str, tf.Tensor]) -> tf.Tensor:
        values = tf.cast(tf.stack([targets[name] for name in names]), tf.float64)
        known = ~tf.math.is_nan(values)
        values = tf.where(known, values, tf.zeros_like(values))
        return sums + tf.reduce_sum(tf.stack([tf.cast(known, tf.float64), values, values**2]), axis=2)

    count, total, squares = target_columns(files, layout).reduce(tf.zeros([3, len(names)], tf.float64), add).numpy()
    empty = [name_of(name) for name, n in zip(names, count, strict=True) if n == 0]
    if empty:
        raise ValueError(f"the train split has no number to learn from in {', '.join(empty)}")
    means = total / count
    # In float64 the difference of two sums of squares keeps some ten digits of numbers such as years.
    variances = squares / count - means**2
    return {
        name: Moments(float(mean), math.sqrt(variance) if variance > 1e-12 * max(1.0, mean**2) else 1.0)
        for name, mean, variance in zip(names, means, variances, strict=True)
    }
