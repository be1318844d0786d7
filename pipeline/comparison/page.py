"""Comparison as one self-contained page in the style of the report."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

from components.files import write_whole
from components.metrics.definitions import Column
from components.report.html import page, style
from components.report.sections.measures import Margin
from pipeline.comparison import words
from pipeline.comparison.results import Comparison, Group

_TEMPLATE = "pipeline.comparison:comparison.html.j2"


def render(comparison: Comparison) -> str:
    """Return the page, with inline style in light and dark, without scripts or external files."""
    wholes = [group for group in comparison.groups if group.kind in ("all", "known", "weighted", "target")]
    slices = groupby((g for g in comparison.groups if g.kind == "slice"), key=lambda group: group.column)
    parts = [
        ("Frequent and rare labels", "labels by frequency", [g for g in comparison.groups if g.kind == "band"]),
        *((f"By {column}", column, list(groups)) for column, groups in slices),
    ]
    return page(_TEMPLATE).render(
        c=comparison,
        first=comparison.names[0],
        others=comparison.names[1:],
        style=style(),
        wholes=[(words.name_of(group), group, _rows(comparison, group)) for group in wholes],
        parts=[
            (title, head, columns, _lines(comparison, groups, columns, _widest(groups)))
            for title, head, groups in parts
            if groups
            for columns in (words.columns(comparison, groups[0]),)
        ],
        headlines=_headlines(comparison),
        setting=words.setting,
        cases=[found for each in comparison.cases for found in _cases(comparison, each)],
    )


def write(comparison: Comparison, path: Path) -> None:
    """Write the page atomically: a reader never sees an incomplete page.

    Args:
        comparison: The comparison.
        path: File to write, or to replace.
    """
    write_whole(path, render(comparison))


def _headlines(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the metrics that stand at the top: those that bands and slices show."""
    group = comparison.groups[0]
    names = [column.name for column in words.brief(comparison)]
    return [row for row in _rows(comparison, group) if row["column"].name in names]


def _rows(comparison: Comparison, group: Group) -> list[dict[str, Any]]:
    """Return the rows of a table of metrics: `column`, the `values` of the models, and the `margins` of the others."""
    return [
        {
            "column": column,
            "values": [getattr(metrics, column.name, None) for metrics in group.models],
            "margins": [_margin(column, margins[place]) for margins in group.margins],
        }
        for place, column in words.columns(comparison, group)
    ]


def _lines(
    comparison: Comparison, groups: list[Group], columns: list[tuple[int, Column]], widest: float
) -> list[dict[str, Any]]:
    """Return the lines of a table of groups: `name`, `count`, the rows of `_rows`, and the `forest` of each model."""
    place = columns[0][0]
    return [
        {
            "name": words.name_of(group),
            "count": getattr(group.models[0], "count", None),
            "rows": _rows(comparison, group),
            "forest": [_forest(margins[place], widest) for margins in group.margins],
        }
        for group in groups
    ]


def _margin(column: Column, margin: Margin) -> dict[str, str]:
    return {
        "value": words.signed(column, margin),
        "interval": words.interval(column, margin),
        "outcome": words.outcome(column, margin),
    }


def _widest(groups: list[Group]) -> float:
    """Return the greatest distance from equality in the first metric: half the width of the forest."""
    margins = [each[0] for group in groups for each in group.margins]
    ends = [end for m in margins for end in (m.value, m.low, m.high) if end is not None]
    return max((abs(end - _equal(margins[0])) for end in ends), default=0.0) or 1.0


def _forest(margin: Margin, widest: float) -> dict[str, float] | None:
    """Return the places of the margin and of its interval in percent of the width; None without a margin."""
    if margin.value is None:
        return None

    def place(value: float) -> float:
        return 50 + 50 * (value - _equal(margin)) / widest

    low, high = (margin.value if end is None else end for end in (margin.low, margin.high))
    return {"value": place(margin.value), "left": place(low), "width": place(high) - place(low)}


def _equal(margin: Margin) -> float:
    return 1.0 if margin.measure == "ratio" else 0.0


def _cases(comparison: Comparison, found: Any) -> list[dict[str, Any]]:
    names = (comparison.names[0], found.model)
    return [
        {
            "title": title,
            "count": count,
            "cases": [
                {"case": case, "answers": [*zip(names, map(words.answered, case.answers), strict=True)]}
                for case in cases
            ],
        }
        for title, count, cases in words.about_cases(comparison, found)
        if cases
    ]
