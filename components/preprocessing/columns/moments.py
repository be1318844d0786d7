"""Mean and standard deviation of numbers, in float64."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

Z_BOUND = 10.0
"""Bound of |z|. By Chebyshev's inequality, at most 1 / Z_BOUND^2 = 1% of the rows of any column exceed it."""
CONSTANT = 1e-6
"""Share of |mean| below which a deviation counts as 0. float32 itself rounds by 6e-8 of a value."""
_TINY = float(np.finfo(np.float32).tiny)
_SQUARED = math.sqrt(float(np.finfo(np.float32).max))


@dataclass(frozen=True)
class Moments:
    """Moments of the finite values of a column, in the column's units.

    Attributes:
        count: Number of values.
        mean: Mean; 0 without values.
        variance: Mean squared distance from the mean.
        least: Least value; infinity without values.
        greatest: Greatest value; minus infinity without values.
    """

    count: float = 0.0
    mean: float = 0.0
    variance: float = 0.0
    least: float = math.inf
    greatest: float = -math.inf

    @classmethod
    def of(cls, values: ArrayLike) -> Moments:
        """Compute the moments of the finite values in two passes. NaN and infinity are left out.

        Args:
            values: Numbers, of any shape.
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

        The formula does not subtract large squares from each other. Source: Chan, Golub and LeVeque, "Updating
        Formulae and a Pairwise Algorithm for Computing Sample Variances" (1979).
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
        """Standard deviation; 0 if rounding alone may explain it. See `CONSTANT`."""
        deviation = math.sqrt(self.variance)
        return deviation if deviation > max(CONSTANT * abs(self.mean), _TINY) else 0.0

    @property
    def constant(self) -> bool:
        """True if the column has values, and a deviation of 0."""
        return self.count > 0 and not self.deviation

    @property
    def farthest(self) -> float:
        """Greatest distance of a value from the mean, in standard deviations; 0 for a constant."""
        if not self.deviation:
            return 0.0
        return max(self.mean - self.least, self.greatest - self.mean) / self.deviation

    @property
    def extreme(self) -> bool:
        """True if z-scores are clipped, or if float32 cannot hold the square of the deviation or of a value."""
        largest = max(abs(self.least), abs(self.greatest))
        out_of_range = largest > _SQUARED or self.deviation < math.sqrt(_TINY)
        return self.deviation > 0 and (self.farthest > Z_BOUND or out_of_range)
