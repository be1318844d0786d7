"""`report.html`: a run on one page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from components.report.charts import duration, line_chart, minutes_at
from components.report.summary import Metrics, Summary, Training

MISSING = "–"
_PACKAGE = "components.report"


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
ROLES = {"inputs": "input tokens", "labels": "labels"}


def render(summary: Summary) -> str:
    """The page: inline style and charts, light and dark, no script and nothing fetched."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (resources.files(_PACKAGE) / name).read_text(encoding="utf-8")),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters.update(figure=figure, count=count, share=share, duration=duration)
    best = best_baseline(summary.baselines)
    return environment.get_template("report.html.j2").render(
        s=summary,
        style=Markup((resources.files(_PACKAGE) / "style.css").read_text(encoding="utf-8")),
        columns=COLUMNS,
        headlines=[column for key in HEADLINES for column in COLUMNS if column.key == key],
        rows=comparison(summary),
        best=best,
        best_metrics=summary.baselines.get(best) if best else None,
        verdict=verdict(summary),
        charts=training_charts(summary.training) if summary.training else [],
        slices=[(name, list(entries)) for name, entries in groupby(summary.slices, key=lambda entry: entry.slice)],
        widest=widest_recall(summary, best),
        bands=band_names(summary),
        roles=ROLES,
        timeline=timeline(summary),
        against=against,
        finished=moment(summary.finished),
    )


def write(summary: Summary, path: Path) -> None:
    """Writes the page whole: a reader never sees a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(render(summary), encoding="utf-8")
    part.rename(path)


def figure(value: float | None, digits: str = ".3f") -> str:
    """A number with so many digits, or a dash. A perplexity of thousands has no tenths."""
    if value is None:
        return MISSING
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


def best_baseline(baselines: Mapping[str, Metrics]) -> str | None:
    """The baseline with the highest recall@10; the first of equals."""
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
    for column in COLUMNS:
        values = [getattr(values, column.key) for _, _, values in models]
        known = [value for value in values if value is not None]
        for row, value in zip(rows, values, strict=True):
            if known and value == (max(known) if column.higher else min(known)):
                row["best"].add(column.key)
    return rows


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


def widest_recall(summary: Summary, best: str | None) -> float:
    """The highest recall@10 in any slice, of the model or of that baseline: the end of the bars."""
    shown = [metrics for entry in summary.slices for metrics in (entry.metrics, entry.baselines.get(best or ""))]
    return max([metrics.recall_at_10 or 0.0 for metrics in shown if metrics], default=0.0) or 1.0


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
    """Validation perplexity and recall@10 by epoch, with the wall time below: `title` and `svg`.

    One point is no curve, and gives none.
    """
    history = training.history
    if len(history) < 2:
        return []
    seconds = [entry.seconds + (entry.validation_seconds or 0) for entry in history]
    note = minutes_at([entry.epoch for entry in history], seconds)
    charts = []
    for key, name, digits in (
        ("perplexity", "Validation perplexity", "{:,.4g}"),
        ("recall_at_10", "Validation recall@10", "{:.3f}"),
    ):
        kept = [(index, getattr(entry, key)) for index, entry in enumerate(history)]
        points = [(history[index].epoch, value) for index, value in kept if value is not None]
        if not points:
            continue
        marked = next(
            (i for i, (index, _) in enumerate(p for p in kept if p[1] is not None) if index == training.best), None
        )
        title = f"{name} by epoch: from {digits.format(points[0][1])} to {digits.format(points[-1][1])}"
        svg = line_chart(
            points,
            title=title,
            x_label="epoch, and wall time of training",
            x_note=note,
            marked=marked,
            number=digits.format,
        )
        charts.append({"title": name, "svg": svg})
    return charts


def timeline(summary: Summary) -> list[dict[str, Any]]:
    """The nodes as bars on one line of time, in order: `node`, `left` and `width` in percent of the sum of all."""
    total = sum(node.seconds for node in summary.nodes) or 1.0
    rows, start = [], 0.0
    for node in summary.nodes:
        rows.append({"node": node, "left": 100 * start / total, "width": 100 * node.seconds / total})
        start += node.seconds
    return rows
