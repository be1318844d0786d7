"""Tables of `bigvocab bench quality`."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence

from benchmarks.harness.tables import table
from benchmarks.quality.data import Metrics
from benchmarks.quality.measure import Results
from benchmarks.trainings import Reached
from components.messages.formatting import figure
from components.metrics.table import BY_NAME

FIGURES = {"recall_at_10": ".4f", "recall_at_20": ".4f", "mrr_at_20": ".4f", "nll": ".3f"}
"""Metrics of the tables, each with the format of its values."""
NLL, PERPLEXITY, RECALL = (BY_NAME[name] for name in ("nll", "perplexity", "recall_at_10"))
NONE = "-"


def lines(results: Results, data: str) -> Iterator[str]:
    """Yield the lines of the table of a data set: combinations and baselines, the best recall@10 first.

    The figures of a combination are the means over its seeds, with the standard deviations.
    """
    rows = [(_mean(reached, RECALL.name), _combination(name, reached)) for name, reached in results.of(data).items()]
    rows += [
        (metrics[RECALL.name] or 0.0, _baseline(name, metrics))
        for name, metrics in results.baselines.get(data, {}).items()
    ]
    header = [data, "seeds", "epochs", "CPU s", *(BY_NAME[name].label for name in FIGURES), PERPLEXITY.label]
    yield from table(header, [row for _, row in sorted(rows, key=lambda row: -row[0])])


def deviation(values: Sequence[float], form: str) -> str:
    """Format the mean, and the standard deviation of several values."""
    mean = statistics.mean(values)
    if len(values) < 2 or not all(map(math.isfinite, values)):
        return format(mean, form)
    return f"{mean:{form}} ± {statistics.stdev(values):{form}}"


def _combination(name: str, reached: Sequence[Reached]) -> list[str]:
    return [
        name,
        str(len(reached)),
        f"{statistics.mean(r.epochs for r in reached):.2f}",
        f"{statistics.mean(r.cpu for r in reached):.0f}",
        *(deviation([r.metrics[metric] for r in reached], form) for metric, form in FIGURES.items()),
        _perplexity(_mean(reached, NLL.name)),
    ]


def _baseline(name: str, metrics: Metrics) -> list[str]:
    cells = [figure(metrics[metric], form, NONE) for metric, form in FIGURES.items()]
    return [f"{name} (baseline)", NONE, NONE, NONE, *cells, _perplexity(metrics[NLL.name])]


def _perplexity(nll: float | None) -> str:
    """Format exp(nll), of means the geometric mean of the perplexities."""
    if nll is None:
        return NONE
    return figure(PERPLEXITY.formula({"nll": nll, "known": 1.0}), PERPLEXITY.form)


def _mean(reached: Sequence[Reached], name: str) -> float:
    return statistics.mean(r.metrics[name] for r in reached)
