"""Formulas that several metrics share."""

from __future__ import annotations

import math
from collections.abc import Callable

from components.metrics.definitions import Kind, Metric, Places, Totals, Values
from components.metrics.reliability import calibration_error, sum_names


def total(name: str) -> Callable[[Totals], float]:
    """Return the formula of a sum."""
    return lambda totals: totals[name]


def mean_of(name: str, over: str) -> Callable[[Totals], float]:
    """Return the formula of a sum over another."""
    return lambda totals: totals[name] / totals[over] if totals[over] else math.nan


def share(name: str) -> Callable[[Totals], float]:
    """Return the formula of a sum over the number of labels, or of rows."""
    # With the reciprocal, since a quotient would differ from the figures of earlier runs in the last digit.
    return lambda totals: totals[name] * (1.0 / totals["count"]) if totals["count"] else math.nan


def perplexity(totals: Totals) -> float:
    """Return exp(nll)."""
    return _exp(totals["nll"] / totals["known"] if totals["known"] else math.nan)


def difference(name: str) -> Callable[[Values, Values], float]:
    """Return the comparison of a model with a baseline by the difference of a metric."""
    return lambda ours, theirs: ours[name] - theirs[name]


def ratio_of_perplexities(ours: Values, theirs: Values) -> float:
    """Return the ratio of the perplexities of a model and a baseline."""
    # From the difference of nats, which overflows later than two perplexities.
    return _exp(ours["nll"] - theirs["nll"])


def calibration_metric(name: str, label: str, least: float, about: str, kind: Kind = "label", **places: int) -> Metric:
    """Return the expected calibration error over the predictions from a probability on."""
    return Metric(
        name=name,
        label=label,
        kinds=(kind,),
        sums=sum_names(least),
        formula=lambda totals: calibration_error(totals, least),
        per="mean gap",
        better="lower",
        about=about,
        places=Places(**places),
    )


def _exp(nats: float) -> float:
    """Return exp(nats), or infinity beyond 700 nats, where a perplexity has no meaning and exp soon overflows."""
    return math.exp(nats) if not nats > 700 else math.inf
