"""Confidence intervals of the metrics of a model, from the sums of each row.

A metric is a function f of the totals S of all rows. Its variance is estimated from the linearized values of the rows,

    u_i = grad f(S) . s_i,     Var f = n / (n - 1) sum_i (u_i - mean u)^2,

with rows, not labels, as the units, because the labels of one row depend on each other. Source: K. Wolter,
Introduction to Variance Estimation (2007), chapter 6. It takes one pass over the rows, where a bootstrap of each slice
would take a thousand.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from components.metrics.targets import Target

LEVEL = 0.95
_QUANTILE = 1.959964
"""Quantile of the standard normal distribution for `LEVEL`."""
_STEP = 1e-4
"""Step of the numeric gradient, relative to a total."""
MIN_ROWS = 10
"""Fewer rows get no interval: the normal approximation does not hold for them."""


def intervals(label: Target, rows: NDArray[np.float64], names: Iterable[str]) -> dict[str, tuple[float, float]]:
    """Return the ends of the interval of each metric that has one.

    The interval of a share lies between 0 and 1. A metric without a value, or with a value that all rows share, has no
    interval.

    Args:
        label: Label as a target.
        rows: (rows, len(label.sums)) sums of the model in each row.
        names: Names of the metrics.
    """
    count = len(rows)
    if count < MIN_ROWS:
        return {}
    total = rows.sum(axis=0)
    found: dict[str, tuple[float, float]] = {}
    steps = _STEP * np.maximum(np.abs(total), 1.0)
    sides = [[label.measured(total + sign * step) for sign in (1, -1)] for step in np.diag(steps)]
    for metric in label.metrics:
        if metric.name not in names or metric.name not in sides[0][0]:
            continue
        value = label.measured(total)[metric.name]
        gradient = np.array([(up[metric.name] - down[metric.name]) for up, down in sides]) / (2 * steps)
        of_rows = rows @ gradient
        error = math.sqrt(count / (count - 1) * float(np.square(of_rows - of_rows.mean()).sum()))
        if not math.isfinite(value) or not math.isfinite(error) or error == 0:
            continue
        low, high = value - _QUANTILE * error, value + _QUANTILE * error
        found[metric.name] = (max(low, 0.0), min(high, 1.0)) if metric.unit == "share" else (low, high)
    return found
