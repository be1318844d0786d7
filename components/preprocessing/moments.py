"""Mean and deviation of a number column in float64, and the z-scores that they make."""

# Transform's analyzers have no public way to apply a combiner whose results its analyzer cache keeps.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike, NDArray
from tensorflow_transform import analyzer_nodes, analyzers

Z_BOUND = 10.0
"""The greatest |z|. By Chebyshev's inequality at most 1 / Z_BOUND^2 = 1% of the rows of any column lie beyond it."""
CONSTANT = 1e-6
"""A deviation below this share of the mean's magnitude is none: float32 itself rounds by 6e-8 of a value."""
_TINY = float(np.finfo(np.float32).tiny)
_SQUARED = math.sqrt(float(np.finfo(np.float32).max))


@dataclass(frozen=True)
class Moments:
    """Moments of the finite values of a column, in the column's units.

    Attributes:
        count: how many values.
        mean: 0 without values.
        variance: mean squared distance from the mean.
        least: infinity without values.
        greatest: minus infinity without values.
    """

    count: float = 0.0
    mean: float = 0.0
    variance: float = 0.0
    least: float = math.inf
    greatest: float = -math.inf

    @classmethod
    def of(cls, values: ArrayLike) -> Moments:
        """Compute the moments of some values in two passes; NaN and infinite ones are left out.

        Args:
            values: numbers of any shape.
        """
        numbers = np.asarray(values, np.float64)
        numbers = numbers[np.isfinite(numbers)]
        if not numbers.size:
            return cls()
        mean = float(numbers.mean())
        variance = float(np.square(numbers - mean).mean())
        return cls(float(numbers.size), mean, variance, float(numbers.min()), float(numbers.max()))

    def __add__(self, other: Moments) -> Moments:
        """Combine the moments of two sets of values.

        With d = mean_b - mean_a and f = n_b / (n_a + n_b):

            mean = mean_a + f d,   variance = variance_a + f (variance_b - variance_a) + f (1 - f) d^2

        No large squares are subtracted from each other. Source: Chan, Golub and LeVeque, "Updating Formulae and a
        Pairwise Algorithm for Computing Sample Variances" (1979).
        """
        count = self.count + other.count
        if not count:
            return self
        share, distance = other.count / count, other.mean - self.mean
        variance = self.variance + share * (other.variance - self.variance) + share * (1.0 - share) * distance**2
        return Moments(
            count,
            self.mean + share * distance,
            max(0.0, variance),
            min(self.least, other.least),
            max(self.greatest, other.greatest),
        )

    @property
    def deviation(self) -> float:
        """The standard deviation; 0 where rounding alone may explain it: see `CONSTANT`."""
        deviation = math.sqrt(self.variance)
        return deviation if deviation > max(CONSTANT * abs(self.mean), _TINY) else 0.0

    @property
    def constant(self) -> bool:
        """Whether the column has values, and no deviation."""
        return self.count > 0 and not self.deviation

    @property
    def farthest(self) -> float:
        """The greatest distance of a value from the mean, in deviations; 0 for a constant."""
        if not self.deviation:
            return 0.0
        return max(self.mean - self.least, self.greatest - self.mean) / self.deviation

    @property
    def extreme(self) -> bool:
        """Whether z-scores are clipped, or float32 cannot hold the square of the deviation or of a value."""
        largest = max(abs(self.least), abs(self.greatest))
        out_of_range = largest > _SQUARED or self.deviation < math.sqrt(_TINY)
        return self.deviation > 0 and (self.farthest > Z_BOUND or out_of_range)


def analyzed(column: tf.SparseTensor) -> tf.Tensor:
    """Compute the moments of a column over the analyzed data, as one of Transform's analyzers.

    Args:
        column: numbers.

    Returns:
        (6,) float64: count, mean, variance, least and greatest as in `Moments`, and last the deviation.
    """
    values = tf.cast(column.values, tf.float64)
    return analyzers._apply_cacheable_combiner(_Combiner(), values)[0]


def z_scores(column: tf.SparseTensor, moments: tf.Tensor) -> tf.SparseTensor:
    """Standardize a column.

        z = min(Z_BOUND, max(-Z_BOUND, (x - mean) / deviation)),   and 0 where the deviation is 0

    A constant has z = 0 for every value, also for those that it never had. NaN is a missing value.

    Args:
        column: numbers.
        moments: (6,) of `analyzed`.

    Returns:
        A column of float32.
    """
    present = tf.sparse.retain(column, ~tf.math.is_nan(tf.cast(column.values, tf.float64)))
    distance = tf.cast(present.values, tf.float64) - moments[1]
    # `divide_no_nan` gives 0 for a deviation of 0, also of infinity.
    z = tf.clip_by_value(tf.math.divide_no_nan(distance, moments[-1]), -Z_BOUND, Z_BOUND)
    return tf.SparseTensor(present.indices, tf.cast(z, tf.float32), present.dense_shape)


class _Combiner(analyzer_nodes.Combiner):
    """`Moments`, added up as arrays of five: Transform's analyzer cache writes an accumulator as a JSON list."""

    def create_accumulator(self) -> NDArray[np.float64]:
        return _packed(Moments())

    def add_input(self, accumulator: ArrayLike, batch_values: tuple[ArrayLike]) -> NDArray[np.float64]:
        return _packed(_unpacked(accumulator) + Moments.of(batch_values[0]))

    def merge_accumulators(self, accumulators: Iterable[ArrayLike]) -> NDArray[np.float64]:
        return _packed(reduce(Moments.__add__, map(_unpacked, accumulators), Moments()))

    def extract_output(self, accumulator: ArrayLike) -> list[NDArray[np.float64]]:
        moments = _unpacked(accumulator)
        return [np.append(_packed(moments), moments.deviation)]

    def output_tensor_infos(self) -> list[Any]:
        return [analyzer_nodes.TensorInfo(tf.float64, (6,), None)]


def _packed(moments: Moments) -> NDArray[np.float64]:
    return np.array([moments.count, moments.mean, moments.variance, moments.least, moments.greatest])


def _unpacked(packed: ArrayLike) -> Moments:
    return Moments(*np.asarray(packed, np.float64).tolist())
