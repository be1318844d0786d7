"""Margin of the model over the best baseline, with a confidence interval.

The interval is the percentile interval of a paired bootstrap over rows: each resample draws as many rows as the test
split has, with replacement, and compares the model with the baseline on the drawn rows. Rows are drawn, not labels,
because the labels of one row depend on each other. Source: B. Efron, R. Tibshirani: An Introduction to the Bootstrap
(1993), chapters 8 and 13.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from components.files import matching, read_text, write_whole
from components.metrics.definitions import Metric
from components.metrics.targets import Target, compared
from components.report.sections.measures import Margin

LEVEL = 0.95
"""Level of the interval."""
RESAMPLES = 1_000
"""Number of resamples."""
_SEED = 0
_HELD = 1 << 22
"""Maximum number of weights in memory at a time."""
_FILE = "margins.json"
Floats = NDArray[np.float64]


def margins(label: Target, rows: Floats, resamples: int = RESAMPLES) -> list[Margin]:
    """Return the margin over the best baseline in each metric that compares a model with the baselines.

    Args:
        label: Label as a target.
        rows: (rows, 1 + baselines, len(label.sums)) sums of each row; the model comes first.
        resamples: Number of resamples.
    """
    total = [label.measured(of) for of in rows.sum(axis=0)]
    found: list[Margin] = []
    for metric in compared(label):
        best = _best(label, metric, total[1:])
        if best is None:
            continue
        value = metric.compare(total[0], total[1 + best])  # pyright: ignore[reportOptionalCall]
        low, high = interval(label, metric, rows[:, [0, 1 + best]], resamples)
        found.append(
            Margin(
                metric=metric.name,
                baseline=label.baselines[best],
                measure="difference" if metric.better == "higher" else "ratio",
                value=value if math.isfinite(value) else None,
                low=low,
                high=high,
                level=LEVEL,
                rows=len(rows),
                resamples=resamples,
            )
        )
    return found


def interval(
    label: Target, metric: Metric, rows: Floats, resamples: int = RESAMPLES, seed: int = _SEED
) -> tuple[float, float] | tuple[None, None]:
    """Return the ends of the interval of a comparison; None with fewer than two rows or a resample without a value.

    Args:
        label: Label as a target.
        metric: Metric with a `compare`.
        rows: (rows, 2, len(label.sums)) sums of the model and of a baseline.
        resamples: Number of resamples.
        seed: Seed of the draws.
    """
    if len(rows) < 2:
        return None, None
    return ends(
        [
            metric.compare(*(label.measured(of) for of in totals))  # pyright: ignore[reportOptionalCall]
            for totals in resampled(rows, resamples, seed)
        ]
    )


def resampled(rows: Floats, resamples: int = RESAMPLES, seed: int = _SEED) -> Iterator[Floats]:
    """Yield the totals of each resample, (models, sums).

    Args:
        rows: (rows, models, sums) sums of each row.
        resamples: Number of resamples.
        seed: Seed of the draws.
    """
    flat = rows.reshape(len(rows), -1)
    for weights in resample_weights(len(rows), resamples, seed):
        for totals in weights @ flat:
            yield totals.reshape(rows.shape[1:])


def ends(values: Sequence[float]) -> tuple[float, float] | tuple[None, None]:
    """Return the ends of the percentile interval of a figure; None if a resample has no finite value.

    Args:
        values: Value of the figure in each resample.
    """
    if not np.isfinite(values).all():
        return None, None
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def resample_weights(rows: int, resamples: int, seed: int = _SEED) -> Iterator[Floats]:
    """Yield (some, rows) numbers of draws of each row in some resamples, for `resamples` resamples in total.

    Args:
        rows: Number of rows, which is also the number of draws of a resample.
        resamples: Number of resamples.
        seed: Seed of the draws.
    """
    generator = np.random.default_rng(seed)
    step = max(1, _HELD // rows)
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        drawn = generator.integers(0, rows, (count, rows)) + rows * np.arange(count)[:, np.newaxis]
        yield np.bincount(drawn.ravel(), minlength=count * rows).reshape(count, rows).astype(np.float64)


def write_margins(evaluation: str, found: Sequence[Margin]) -> None:
    """Write the result of `margins` into the folder of an evaluation."""
    text = json.dumps([margin.model_dump() for margin in found], indent=2, allow_nan=False)
    write_whole(f"{evaluation}/{_FILE}", text + "\n")


def read_margins(evaluation: str) -> list[Margin]:
    """Return the margins that `write_margins` wrote; an empty list for an evaluation of an earlier version."""
    files = matching([f"{evaluation}/{_FILE}"])
    return [Margin.model_validate(entry) for path in files for entry in json.loads(read_text(path))]


def _best(label: Target, metric: Metric, baselines: Sequence[dict[str, float]]) -> int | None:
    """Return the index of the first best baseline in a metric; None if no baseline has the metric."""
    sign = 1 if metric.better == "higher" else -1
    values = {
        place: sign * found[metric.name]
        for place, (name, found) in enumerate(zip(label.baselines, baselines, strict=True))
        if label.measures(metric, name) and not math.isnan(found[metric.name])
    }
    return max(values, key=lambda place: values[place]) if values else None
