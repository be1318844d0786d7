"""Columns and rows of the tables in the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.messages.formatting import FORMS, figure, listed
from components.metrics.definitions import Column, Kind, Place
from components.metrics.table import of_kind, shown
from components.report.sections.measures import (
    ClassTarget,
    Margin,
    Metrics,
    NumberMetrics,
    NumberTarget,
    SeveralMetrics,
)
from components.report.summary import Summary


def columns(summary: Summary, place: Place) -> tuple[Column, ...]:
    """Return the label's metrics that are shown in a place.

    Args:
        summary: Summary of a run.
        place: Table or part of the page.
    """
    return shown(kind_of_label(summary.metrics), place, summary.own_metrics)


def kind_of_label(metrics: Metrics | None) -> Kind:
    """Return the kind of label. A run without metrics counts as a class label."""
    if isinstance(metrics, SeveralMetrics):
        return "several"
    return "number" if isinstance(metrics, NumberMetrics) else "label"


def counted(metrics: Metrics | None) -> str:
    """Return the noun for the count of a run: `labels`, or `rows` if they may have several labels."""
    return "rows" if kind_of_label(metrics) == "several" else "labels"


def target_columns(summary: Summary, values: ClassTarget | NumberTarget, place: Place = "column") -> tuple[Column, ...]:
    """Return the metrics of a further target that are shown in a place.

    Args:
        summary: Summary of a run.
        values: Metrics of the target, whose type tells a class from a number.
        place: Table or part of the page.
    """
    return shown("number" if isinstance(values, NumberTarget) else "class", place, summary.own_metrics)


def best_baseline(baselines: Mapping[str, Metrics], column: Column | None = None) -> str | None:
    """Return the best baseline in a metric; the first one among equals.

    Args:
        baselines: Metrics by baseline.
        column: The metric. None: the first one of the `brief` place.
    """
    for values in baselines.values():
        column = column or shown(kind_of_label(values), "brief")[0]
        measured = {
            name: v for name, found in baselines.items() if (v := getattr(found, column.name, None)) is not None
        }
        best = max if column.better == "higher" else min
        return best(measured, key=lambda name: measured[name]) if measured else None
    return None


def against(column: Column, value: float | None, other: float | None) -> str:
    """Return the comparison of a metric with another model's in words, such as `0.047 above` or `40.9% below`.

    Args:
        column: The metric. If lower is better, the values are compared by their ratio, otherwise by the difference.
        value: Value of the model; None if it was not measured.
        other: Value of the other model; None if it was not measured.

    Returns:
        The words; empty without one of the values.
    """
    if value is None or other is None:
        return ""
    if column.better != "lower":
        difference = value - other
        return f"{figure(abs(difference), column.form)} {'above' if difference >= 0 else 'below'}"
    ratio = value / other - 1 if other else 0.0
    return f"{abs(ratio):.1%} {'above' if ratio >= 0 else 'below'}"


def margins(summary: Summary) -> list[tuple[Column, Margin]]:
    """Return the margins over the best baselines, each with its metric."""
    described = {column.name: column for column in (*of_kind(kind_of_label(summary.metrics)), *summary.own_metrics)}
    return [(described[margin.metric], margin) for margin in summary.margins if margin.metric in described]


def margin_in_words(column: Column, margin: Margin) -> str:
    """Return a margin in words, such as `0.025 above the trigram's (+0.021 to +0.029)`. A ratio is in percent.

    If the interval includes equality, the words are `equal to the trigram's within the interval (-0.002 to +0.008)`.

    Args:
        column: Metric of the margin.
        margin: Margin over a baseline.
    """
    ratio = margin.measure == "ratio"
    form = "+.1%" if ratio else f"+{FORMS.get(column.form, column.form)}"

    def signed(value: float) -> str:
        return format(value - 1 if ratio else value, form)

    if margin.value is None:
        return f"not comparable with the {margin.baseline}'s"
    interval = "" if margin.low is None or margin.high is None else f" ({signed(margin.low)} to {signed(margin.high)})"
    if margin.equal:
        return f"equal to the {margin.baseline}'s within the interval{interval}"
    side = "above" if margin.value >= ratio else "below"
    return f"{signed(margin.value)[1:]} {side} the {margin.baseline}'s{interval}"


def about_margins(margins: Sequence[tuple[Column, Margin]]) -> str:
    """Return the title of the margins: `Margin over the best baseline, 95% interval over 1,197 rows`."""
    (_, first), *_ = margins
    return f"Margin over the best baseline, {first.level:.0%} interval over {first.rows:,} rows"


def weighted_comparison(summary: Summary) -> list[dict[str, Any]]:
    """Return the rows of the table of models by the weights of the rows: see `comparison`. Empty without weights."""
    if summary.weighted is None:
        return []
    changes = {"metrics": summary.weighted.metrics, "baselines": summary.weighted.baselines, "previous": None}
    return comparison(summary.model_copy(update=changes))


def comparison(summary: Summary) -> list[dict[str, Any]]:
    """Return the rows of the table of models: `name`, `kind`, `metrics`, and `best`, the set of metrics it leads.

    A metric that a single model has, such as the calibration error, has no best model.
    """
    if summary.metrics is None:
        return []
    models = [("this model", "model", summary.metrics)]
    if summary.previous:
        models.append(("last blessed model", "previous", summary.previous))
    models += [(name, "baseline", values) for name, values in summary.baselines.items()]
    rows = [{"name": name, "kind": kind, "metrics": values, "best": set()} for name, kind, values in models]
    for column in columns(summary, "column"):
        values = [getattr(values, column.name, None) for _, _, values in models]
        known = [value for value in values if value is not None]
        for row, value in zip(rows, values, strict=True):
            if len(known) > 1 and column.better and value == (max(known) if column.better == "higher" else min(known)):
                row["best"].add(column.name)
    return rows


def target_rows(summary: Summary) -> list[dict[str, Any]]:
    """Return the rows of the table of further targets, one for each target and metric.

    Returns:
        Rows with `target`, `column`, `value`, `count`, `baseline`, `theirs` and `previous`.
    """
    rows: list[dict[str, Any]] = []
    for name, values in summary.targets.items():
        baseline, theirs = next(iter(summary.target_baselines.get(name, {}).items()), ("", None))
        previous = summary.previous_targets.get(name)
        rows += [
            {
                "target": name,
                "column": column,
                "value": getattr(values, column.name, None),
                "count": getattr(values, column.over),
                "baseline": baseline,
                "theirs": getattr(theirs, column.name, None),
                "previous": getattr(previous, column.name, None),
            }
            for column in target_columns(summary, values)
        ]
    return rows


def denominators(summary: Summary) -> str:
    """Return a sentence on the denominators of the columns: `Recall and MRR over all 1,000 labels, ...; ...`.

    `recall@1` and `recall@10` form one family, `recall`.
    """
    if summary.metrics is None:
        return ""
    families: dict[str, dict[str, None]] = {}
    for column in columns(summary, "column"):
        families.setdefault(column.over, {})[column.label.partition("@")[0]] = None
    known = figure(getattr(summary.metrics, "known", None), "count")
    several = isinstance(summary.metrics, SeveralMetrics)
    texts = {
        "count": f"all {figure(summary.metrics.count, 'count')} {counted(summary.metrics)} "
        "(a label outside the vocabulary is a miss)",
        "known": f"the {known} with a label in the vocabulary, all classes"
        if several
        else f"the {known} in the vocabulary, full softmax",
    }
    text = "; ".join(f"{listed([*names])} over {texts[over]}" for over, names in families.items())
    return text[:1].upper() + text[1:]


def value(metrics: Metrics | ClassTarget | NumberTarget | None, column: Column) -> float | None:
    """Return a metric, or None if it was not measured.

    Args:
        metrics: Metrics of a model or a baseline; None if it has none.
        column: The metric.
    """
    return getattr(metrics, column.name, None)


def widest_bar(summary: Summary, best: str | None, key: str) -> float:
    """Return the greatest value of a metric in any slice, of the model or the best baseline: the scale of the bars.

    Args:
        summary: Summary of a run.
        best: Name of the best baseline; None without one.
        key: Name of the metric.

    Returns:
        The value; 1 if no slice has one above 0.
    """
    shown = [metrics for entry in summary.slices for metrics in (entry.metrics, entry.baselines.get(best or ""))]
    return max([getattr(metrics, key) or 0.0 for metrics in shown if metrics], default=0.0) or 1.0
