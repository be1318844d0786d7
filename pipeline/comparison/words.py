"""Texts of a comparison that the terminal and the page share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from components.messages.formatting import figure
from components.metrics.definitions import Column
from components.metrics.table import of_kind, shown
from components.report.sections.measures import ClassTarget, Margin, NumberMetrics, NumberTarget
from components.report.tables import kind_of_label
from pipeline.comparison.results import Answer, Case, Cases, Comparison, Group

Outcome = Literal["better", "worse", "equal", ""]
_LONGEST = 60
"""Characters of a value of a setting, at most."""


def columns(comparison: Comparison, group: Group) -> list[tuple[int, Column]]:
    """Return the metrics of a group that compare its models: their places in `margins`, and the metrics.

    Args:
        comparison: The comparison, which describes the user's own metrics.
        group: Group of the comparison.
    """
    first = group.models[0]
    kind = "class" if isinstance(first, ClassTarget) else kind_of_number_or_label(first)
    described = {column.name: column for column in (*of_kind(kind), *comparison.own_metrics)}
    return [(place, described[each.metric]) for place, each in enumerate(group.margins[0]) if each.metric in described]


def kind_of_number_or_label(metrics: Any) -> Any:
    """Return the kind of the label; `number` for a further target that is a number."""
    return "number" if isinstance(metrics, NumberTarget) else kind_of_label(metrics)


def brief(comparison: Comparison) -> list[Column]:
    """Return the metrics of the label that bands and slices show."""
    return [*shown(kind_of_label(comparison.groups[0].models[0]), "brief", comparison.own_metrics)]  # pyright: ignore[reportArgumentType]


def signed(column: Column, margin: Margin) -> str:
    """Return the margin as `+0.012` or, for a ratio, as `-3.4%`; empty if it has no value.

    Args:
        column: Metric of the margin, which determines the form of the number.
        margin: The margin.
    """
    return "" if margin.value is None else _signed(column, margin, margin.value)


def interval(column: Column, margin: Margin) -> str:
    """Return the interval as `+0.003 to +0.021`; empty without an interval."""
    if margin.low is None or margin.high is None:
        return ""
    return f"{_signed(column, margin, margin.low)} to {_signed(column, margin, margin.high)}"


def outcome(column: Column, margin: Margin) -> Outcome:
    """Return whether the model is better or worse than the first one, or equal within the interval.

    Args:
        column: Metric of the margin.
        margin: The margin.

    Returns:
        `better`, `worse` or `equal`; empty without an interval, or if no direction of the metric is better.
    """
    if margin.value is None or margin.low is None or column.better is None:
        return ""
    if margin.equal:
        return "equal"
    same = 1.0 if margin.measure == "ratio" else 0.0
    return "better" if (margin.value > same) == (column.better == "higher") else "worse"


def name_of(group: Group) -> str:
    """Return the name of a group: its band, its value, or what it is over."""
    return {
        "all": "all labels",
        "known": "rows whose labels all models know",
        "weighted": f"by weight ({group.column})",
        "target": group.column,
    }.get(group.kind, str(group.value))


def setting(value: Any) -> str:
    """Return the value of a setting, shortened; `-` without a value."""
    if value is None:
        return "-"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def answered(answer: Answer, form: str = "units") -> str:
    """Return an answer in a line: `the 0.310, a 0.120`, or the number.

    Args:
        answer: Answer of a model to one row.
        form: Format of a number, by its name in the table of metrics.
    """
    if answer.value is not None:
        return figure(answer.value, form)
    return ", ".join(f"{label} {probability:.3f}" for label, probability in answer.labels)


def about_cases(comparison: Comparison, found: Cases) -> list[tuple[str, str, Sequence[Case]]]:
    """Return title, number of rows in words and cases of both kinds of cases: first model better, other model better.

    Args:
        comparison: The comparison.
        found: Its cases of two models.
    """
    first, other = comparison.names[0], found.model
    if is_number(comparison):
        titles = [f"{first} nearer than {other}", f"{other} nearer than {first}"]
        counts = [f"{n:,} of {comparison.measured or 0:,} rows" for n in (found.rows_first, found.rows_other)]
    else:
        titles = [f"{first} right in the first ten, {other} not", f"{other} right in the first ten, {first} not"]
        counts = [
            f"{name} has more labels in the first ten in {n:,} of {comparison.measured or 0:,} rows"
            for name, n in ((first, found.rows_first), (other, found.rows_other))
        ]
    return [*zip(titles, counts, (found.first_right, found.other_right), strict=True)]


def is_number(comparison: Comparison) -> bool:
    """Return True if the label is a number."""
    return isinstance(comparison.groups[0].models[0], NumberMetrics | NumberTarget)


def _signed(column: Column, margin: Margin, value: float) -> str:
    if margin.measure == "ratio":
        return f"{value - 1:+.1%}"
    return f"{'-' if value < 0 else '+'}{figure(abs(value), column.form)}"
