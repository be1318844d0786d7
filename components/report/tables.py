"""The tables of figures: which columns they have, and their rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.report.measures import ClassTarget, Metrics, NumberMetrics, NumberTarget
from components.report.summary import Summary

UNITS = "units"
"""Digits of a number that is in units of the user's own: see `figure`."""


@dataclass(frozen=True)
class Column:
    """A metric as people see it."""

    key: str
    label: str
    unit: str
    over: str
    """What it is a mean over: a count of `Metrics`."""
    digits: str
    higher: bool


COLUMNS = (
    Column("recall_at_1", "recall@1", "share of labels", "count", ".3f", True),
    Column("recall_at_10", "recall@10", "share of labels", "count", ".3f", True),
    Column("recall_at_20", "recall@20", "share of labels", "count", ".3f", True),
    Column("mrr_at_10", "MRR@10", "mean of 1/rank", "count", ".3f", True),
    Column("perplexity", "perplexity", "classes", "known", ",.1f", False),
    Column("nll", "nll", "nats a label", "known", ".3f", False),
)
HEADLINES = ("recall_at_10", "perplexity", "mrr_at_10")
SLICED = ("recall_at_10", "perplexity")
"""What a row of bands or slices shows; the bars are of the first."""
NUMBER_COLUMNS = (
    Column("rmse", "rmse", "in the label's units", "count", UNITS, False),
    Column("mae", "mean absolute error", "in the label's units", "count", UNITS, False),
    Column("r2", "R²", "share of the variance", "count", ".3f", True),
)
NUMBER_SLICED = ("rmse", "mae")
CLASS_TARGET = (
    Column("accuracy", "accuracy", "share of labels", "count", ".3f", True),
    Column("nll", "nll", "nats a label", "known", ".3f", False),
)
NUMBER_TARGET = (
    Column("rmse", "rmse", "in its own units", "count", UNITS, False),
    Column("mae", "mean absolute error", "in its own units", "count", UNITS, False),
    Column("r2", "R²", "share of the variance", "count", ".3f", True),
)


def best_baseline(baselines: Mapping[str, Metrics]) -> str | None:
    """The baseline with the highest recall@10, or of a number the lowest rmse; the first of equals."""
    errors = {n: v.rmse for n, v in baselines.items() if isinstance(v, NumberMetrics) and v.rmse is not None}
    if errors:
        return min(errors, key=lambda name: errors[name])
    measured = {name: values.recall_at_10 for name, values in baselines.items() if values.recall_at_10 is not None}
    return max(measured, key=lambda name: measured[name]) if measured else None


def against(column: Column, value: float | None, other: float | None) -> str:
    """A metric beside another model's, in words: the difference, or for a metric without an upper end the ratio."""
    if value is None or other is None:
        return ""
    if column.higher:
        difference = value - other
        return f"{abs(difference):{column.digits}} {'above' if difference >= 0 else 'below'}"
    ratio = value / other - 1 if other else 0.0
    return f"{abs(ratio):.1%} {'above' if ratio >= 0 else 'below'}"


def comparison(summary: Summary) -> list[dict[str, Any]]:
    """Rows of the table of models: name, kind, metrics, and the keys in which it is the best."""
    if summary.metrics is None:
        return []
    models = [("this model", "model", summary.metrics)]
    if summary.previous:
        models.append(("last blessed model", "previous", summary.previous))
    models += [(name, "baseline", values) for name, values in summary.baselines.items()]
    rows = [{"name": name, "kind": kind, "metrics": values, "best": set()} for name, kind, values in models]
    for column in NUMBER_COLUMNS if isinstance(summary.metrics, NumberMetrics) else COLUMNS:
        values = [getattr(values, column.key) for _, _, values in models]
        known = [value for value in values if value is not None]
        for row, value in zip(rows, values, strict=True):
            if known and value == (max(known) if column.higher else min(known)):
                row["best"].add(column.key)
    return rows


def target_columns(values: ClassTarget | NumberTarget) -> tuple[Column, ...]:
    """What is shown of a further target."""
    return NUMBER_TARGET if isinstance(values, NumberTarget) else CLASS_TARGET


def target_rows(summary: Summary) -> list[dict[str, Any]]:
    """Of each further target and measure: `target`, `column`, `value`, and `baseline`, `theirs` and `previous`."""
    rows: list[dict[str, Any]] = []
    for name, values in summary.targets.items():
        baseline, theirs = next(iter(summary.target_baselines.get(name, {}).items()), ("", None))
        previous = summary.previous_targets.get(name)
        rows += [
            {
                "target": name,
                "column": column,
                "value": getattr(values, column.key),
                "count": getattr(values, column.over),
                "baseline": baseline,
                "theirs": getattr(theirs, column.key, None),
                "previous": getattr(previous, column.key, None),
            }
            for column in target_columns(values)
        ]
    return rows


def widest_bar(summary: Summary, best: str | None, key: str) -> float:
    """The greatest value of a metric in any slice, of the model or of that baseline: the end of the bars."""
    shown = [metrics for entry in summary.slices for metrics in (entry.metrics, entry.baselines.get(best or ""))]
    return max([getattr(metrics, key) or 0.0 for metrics in shown if metrics], default=0.0) or 1.0
