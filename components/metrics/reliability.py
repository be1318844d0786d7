"""Reliability of predictions: the probability of the most probable class against the share of correct predictions.

Predictions are grouped by their probability into fixed bins. A perfectly calibrated model is correct for 30% of the
predictions with a probability of .3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

EDGES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Edges of the bins. A bin contains its lower edge, and the last bin also contains 1."""
BINS = tuple(pairwise(EDGES))
"""Lower and upper edge of each bin."""
CONFIDENT = 0.1
"""Least probability of a confident prediction, an edge of the bins. With many classes, most predictions are below."""
COUNT, CONFIDENCE, CORRECT = "top_count", "top_confidence", "top_correct"
"""Prefixes of the sums: the predictions of a bin, their probabilities, and the correct ones among them."""


def sum_name(of: str, place: int) -> str:
    """Return the name of a sum of a bin, such as `top_correct_3`."""
    return f"{of}_{place}"


def sum_names(least: float = 0.0) -> tuple[str, ...]:
    """Return the names of the sums of all bins from a probability on."""
    return tuple(sum_name(of, place) for of in (COUNT, CONFIDENCE, CORRECT) for place in _places(least))


def calibration_error(totals: Mapping[str, float], least: float = 0.0) -> float:
    """Return the expected calibration error (ECE), or NaN without predictions.

        ECE = sum_b n_b / n |conf_b - acc_b|

    n_b is the number of predictions of bin b, conf_b the mean of their probabilities, and acc_b the share of correct
    predictions among them.

    Sources: Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning" (2015); Guo et al., "On
    Calibration of Modern Neural Networks" (2017).

    Args:
        totals: Sums by name.
        least: Least probability, an edge of the bins.
    """
    places = _places(least)
    count = sum(totals[sum_name(COUNT, place)] for place in places)
    gap = sum(abs(totals[sum_name(CONFIDENCE, place)] - totals[sum_name(CORRECT, place)]) for place in places)
    return gap / count if count else math.nan


def reliability(totals: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return the points of a reliability diagram, one for each bin in ascending order.

    Args:
        totals: Sums by name.

    Returns:
        Dictionaries with the edges `low` and `high`; `count`, the number of predictions; `confidence`, the mean of
        their probabilities; and `share_correct`. The last two are None for an empty bin. The list is empty if the sums
        were not measured.
    """
    points = []
    for place, (low, high) in enumerate(BINS):
        count, confidence, correct = (totals[sum_name(of, place)] for of in (COUNT, CONFIDENCE, CORRECT))
        if math.isnan(count):
            return []
        points.append(
            {
                "low": low,
                "high": high,
                "count": round(count),
                "confidence": confidence / count if count else None,
                "share_correct": correct / count if count else None,
            }
        )
    return points


def _places(least: float) -> list[int]:
    return [place for place, (low, _) in enumerate(BINS) if low >= least]
