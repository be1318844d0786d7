"""`report.html`: a run on one page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from components.figures import duration, in_units
from components.files import write_whole
from components.node import Section
from components.report.charts import line_chart, minutes_at
from components.report.measures import NumberMetrics
from components.report.summary import Summary, Training
from components.report.tables import (
    COLUMNS,
    HEADLINES,
    NUMBER_COLUMNS,
    NUMBER_SLICED,
    SLICED,
    UNITS,
    against,
    best_baseline,
    comparison,
    target_columns,
    target_rows,
    widest_bar,
)

MISSING = "–"
_PACKAGE = "components.report"
ROLES = {"inputs": "input tokens", "labels": "labels"}


def render(summary: Summary, sections: Sequence[Section]) -> str:
    """Return the page: inline style and charts, light and dark, no script and nothing to fetch.

    Args:
        summary: Of a run.
        sections: Parts of the page that nodes contribute, in any order.
    """
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(figure=figure, count=count, share=share, duration=duration)
    best = best_baseline(summary.baselines)
    number = isinstance(summary.metrics, NumberMetrics)
    columns, sliced = (NUMBER_COLUMNS, NUMBER_SLICED) if number else (COLUMNS, SLICED)
    by_key = {column.key: column for column in columns}
    return environment.get_template(f"{_PACKAGE}:report.html.j2").render(
        s=summary,
        sections=[section.template for section in sorted(sections, key=lambda section: section.place)],
        style=Markup((resources.files(_PACKAGE) / "style.css").read_text(encoding="utf-8")),
        number=number,
        columns=columns,
        headlines=[*columns] if number else [by_key[key] for key in HEADLINES],
        sliced=[by_key[key] for key in sliced],
        targets=target_rows(summary),
        target_columns={name: target_columns(values)[0] for name, values in summary.targets.items()},
        rows=comparison(summary),
        best=best,
        best_metrics=summary.baselines.get(best) if best else None,
        verdict=verdict(summary),
        charts=training_charts(summary.training) if summary.training else [],
        slices=[(name, list(entries)) for name, entries in groupby(summary.slices, key=lambda entry: entry.slice)],
        widest=widest_bar(summary, best, sliced[0]),
        bands=band_names(summary),
        roles=ROLES,
        timeline=timeline(summary),
        drifting=drifting(summary),
        against=against,
        finished=moment(summary.finished),
    )


def write(summary: Summary, path: str | Path, sections: Sequence[Section]) -> None:
    """Write the page whole: a reader never sees part of it."""
    write_whole(path, render(summary, sections))


def _template(name: str) -> str:
    package, _, file = name.partition(":")
    return (resources.files(package) / file).read_text(encoding="utf-8")


def figure(value: float | None, digits: str = ".3f") -> str:
    """A number with so many digits, or a dash. A perplexity of thousands has no tenths."""
    if value is None:
        return MISSING
    if digits == UNITS:
        return in_units(value)
    return format(value, ",.0f" if digits == ",.1f" and value >= 1_000 else digits)


def count(value: int | None) -> str:
    """A count with separators, or a dash."""
    return MISSING if value is None else f"{value:,}"


def share(value: float | None) -> str:
    """A share as a percentage, with as many digits as it takes to see it."""
    if value is None:
        return MISSING
    return f"{value:.2%}" if value < 0.1 else f"{value:.1%}"


def moment(iso: str) -> str:
    """A time as `2026-11-22 07:40 UTC+0100`; what is no ISO 8601 stays as it is."""
    try:
        return datetime.fromisoformat(iso).strftime("%Y-%m-%d %H:%M %Z").strip()
    except ValueError:
        return iso


def verdict(summary: Summary) -> dict[str, Any]:
    """What became of the model: `good`, `title` and `reasons`."""
    if summary.failure:
        return {
            "good": False,
            "title": f"Stopped: {summary.failure.node} failed",
            "reasons": [summary.failure.message],
        }
    reasons = list(summary.failures)
    if summary.servable is False:
        reasons.append(f"not servable: {summary.servable_cause or 'see the log'}")
    if summary.pushed:
        return {"good": True, "title": "Blessed and pushed", "reasons": [f"to {summary.pushed_to}"]}
    blessed = "Blessed, but not pushed" if summary.blessed else "Not blessed, not pushed"
    return {"good": False, "title": blessed, "reasons": reasons or ["no reason was given: see the log"]}


def band_names(summary: Summary) -> dict[str, str]:
    """What the bands are called: with the ranks of their labels, from 1."""
    head, torso = summary.band_limits.get("head"), summary.band_limits.get("torso")
    if head is None or torso is None:
        return {band: band for band in summary.bands}
    return {
        "head": f"head: ranks 1 to {head:,}",
        "torso": f"torso: ranks {head + 1:,} to {torso:,}",
        "tail": "tail: the rest, and labels outside",
    }


def training_charts(training: Training) -> list[dict[str, Any]]:
    """Validation perplexity and recall@10, or rmse, by epoch, with the wall time below: `title` and `svg`.

    One point is no curve, and gives none.
    """
    history = training.history
    if len(history) < 2:
        return []
    seconds = [entry.seconds + (entry.validation_seconds or 0) for entry in history]
    note = minutes_at([entry.epoch for entry in history], seconds)
    charts = []
    for key, name, digits in (
        ("perplexity", "Validation perplexity", "{:,.4g}".format),
        ("recall_at_10", "Validation recall@10", "{:.3f}".format),
        ("rmse", "Validation rmse", in_units),
    ):
        kept = [(index, getattr(entry, key)) for index, entry in enumerate(history)]
        points = [(history[index].epoch, value) for index, value in kept if value is not None]
        if not points:
            continue
        marked = next(
            (i for i, (index, _) in enumerate(p for p in kept if p[1] is not None) if index == training.best), None
        )
        title = f"{name} by epoch: from {digits(points[0][1])} to {digits(points[-1][1])}"
        svg = line_chart(
            points,
            title=title,
            x_label="epoch, and wall time of training",
            x_note=note,
            marked=marked,
            number=digits,
        )
        charts.append({"title": name, "svg": svg})
    return charts


def drifting(summary: Summary) -> dict[str, str]:
    """The columns whose drift between spans is shown, and in what measure."""
    signs = {"l_infinity": "L∞", "jensen_shannon": "JSD"}
    return {column: signs[found.measure] for span in summary.spans for column, found in span.drift.items()}


def timeline(summary: Summary) -> list[dict[str, Any]]:
    """The nodes as bars on one line of time, in order: `node`, `left` and `width` in percent of the sum of all."""
    total = sum(node.seconds for node in summary.nodes) or 1.0
    rows, start = [], 0.0
    for node in summary.nodes:
        rows.append({"node": node, "left": 100 * start / total, "width": 100 * node.seconds / total})
        start += node.seconds
    return rows
