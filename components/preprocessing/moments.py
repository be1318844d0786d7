"""Mean and deviation of numbers in float64."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

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
        """True if the column has values and no deviation."""
        return self.count > 0 and not self.deviation

    @property
    def farthest(self) -> float:
        """The greatest distance of a value from the mean, in deviations; 0 for a constant."""
        if not self.deviation:
            return 0.0
        return max(self.mean - self.least, self.greatest - self.mean) / self.deviation

    @property
    def extreme(self) -> bool:
        """True if z-scores are clipped, or if float32 cannot hold the square of the deviation or of a value."""
        largest = max(abs(self.least), abs(self.greatest))
        out_of_range = largest > _SQUARED or self.deviation < math.sqrt(_TINY)
        return self.deviation > 0 and (self.farthest > Z_BOUND or out_of_range)
