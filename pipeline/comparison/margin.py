"""Margin of a model over the first one in a metric."""

from __future__ import annotations

import math
from collections.abc import Sequence

from components.evaluation.confidence.margins import LEVEL, ends
from components.metrics.definitions import Column, Metric, Values
from components.metrics.formulas import difference
from components.report.sections.measures import Margin


def margin(
    metric: Column, model: Values, first: Values, name: str, rows: int = 0, drawn: Sequence[tuple[Values, Values]] = ()
) -> Margin:
    """Return the margin of a model over the first one: the ratio of perplexities or errors, otherwise the difference.

    Args:
        metric: Metric, or the description of a user's own metric.
        model: Metrics of the model, by name; NaN if not measured.
        first: Metrics of the first model.
        name: Name of the first model.
        rows: Number of rows that the bootstrap draws from.
        drawn: Metrics of both models in each resample. Empty: no interval.
    """
    own = metric.compare if isinstance(metric, Metric) else None
    compare = own or difference(metric.name)
    value = compare(model, first)
    low, high = ends([compare(*both) for both in drawn]) if drawn else (None, None)
    return Margin(
        metric=metric.name,
        baseline=name,
        measure="ratio" if own and metric.better == "lower" else "difference",
        value=value if math.isfinite(value) else None,
        low=low,
        high=high,
        level=LEVEL,
        rows=rows,
        resamples=len(drawn),
    )
