"""`report.html`: a run on one self-contained page."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from datetime import datetime
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from components.charts import CONFIG, embedded
from components.files import write_whole
from components.messages.formatting import duration, figure, in_bytes, share
from components.node import Section
from components.report.scripts import policy, scripts
from components.report.summary import Summary
from components.report.tables import (
    about_margins,
    against,
    best_baseline,
    columns,
    comparison,
    counted,
    denominators,
    kind_of_label,
    margin_in_words,
    margins,
    target_columns,
    target_rows,
    value,
    weighted_comparison,
    widest_bar,
)

_PACKAGE = "components.report"
ROLES = {"inputs": "input tokens", "labels": "labels"}


@functools.cache
def environment() -> jinja2.Environment:
    """Return the environment of the templates of pages."""
    found = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    found.filters.update(
        figure=figure,
        count=functools.partial(figure, form="count"),
        share=share,
        duration=duration,
        size=in_bytes,
        setting=in_yaml,
    )
    return found


def page(name: str = f"{_PACKAGE}:report.html.j2") -> jinja2.Template:
    """Return the compiled template of a page. A name is `package:file`."""
    return environment().get_template(name)


def style() -> Markup:
    """Return the style sheet of the pages, in light, dark and print."""
    return Markup((resources.files(_PACKAGE) / "style.css").read_text(encoding="utf-8"))


def render(summary: Summary, sections: Sequence[Section]) -> str:
    """Return the page, with its style, scripts and charts, in light and dark, without external files.

    Args:
        summary: Summary of a run.
        sections: Sections of the page that nodes contribute, in any order.
    """
    best = best_baseline(summary.baselines)
    few = columns(summary, "brief")
    ordered = [(section.template, [*section.charts(summary)]) for section in sorted(sections, key=_place)]
    return page().render(
        s=summary,
        sections=ordered,
        all_charts=embedded(
            {
                "config": CONFIG,
                "charts": {chart.name: chart.specification for _, charts in ordered for chart in charts},
            }
        ),
        scripts=scripts(),
        policy=policy(),
        style=style(),
        number=kind_of_label(summary.metrics) == "number",
        counted=counted(summary.metrics),
        columns=columns(summary, "column"),
        headlines=columns(summary, "tile"),
        sliced=few,
        history=columns(summary, "history"),
        denominators=denominators(summary),
        targets=target_rows(summary),
        target_columns={name: target_columns(summary, values)[0] for name, values in summary.targets.items()},
        rows=comparison(summary),
        weighted_rows=weighted_comparison(summary),
        best=best,
        best_metrics=summary.baselines.get(best) if best else None,
        best_in=functools.partial(best_baseline, summary.baselines),
        verdict=verdict(summary),
        slices=[(name, list(entries)) for name, entries in groupby(summary.slices, key=lambda entry: entry.slice)],
        widest=widest_bar(summary, best, few[0].name),
        bands=band_names(summary),
        roles=ROLES,
        timeline=timeline(summary),
        settings=settings(summary),
        drifting=drifting(summary),
        margins=margins(summary),
        equals={(margin.metric, margin.baseline) for margin in summary.margins if margin.equal},
        about_margins=about_margins,
        margin_in_words=margin_in_words,
        against=against,
        value=value,
        finished=moment(summary.finished),
    )


def write(summary: Summary, path: str | Path, sections: Sequence[Section]) -> None:
    """Write the page atomically: a reader never sees an incomplete page.

    Args:
        summary: Summary of a run.
        path: File to write, or to replace.
        sections: Sections of the page that nodes contribute, in any order.
    """
    write_whole(path, render(summary, sections))


def _place(section: Section) -> int:
    return section.place


def _template(name: str) -> str:
    package, _, file = name.partition(":")
    return (resources.files(package) / file).read_text(encoding="utf-8")


def moment(iso: str) -> str:
    """Return a time as `2026-11-22 07:40 UTC+0100`. Text that is not ISO 8601 is returned unchanged."""
    try:
        return datetime.fromisoformat(iso).strftime("%Y-%m-%d %H:%M %Z").strip()
    except ValueError:
        return iso


def verdict(summary: Summary) -> dict[str, Any]:
    """Return the outcome of the run for the model: `good`, `title` and `reasons`."""
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
    """Return the names of the bands, with the ranks of their labels, counted from 1."""
    head, torso = summary.band_limits.get("head"), summary.band_limits.get("torso")
    if head is None or torso is None:
        return {band: band for band in summary.bands}
    return {
        "head": f"head: ranks 1 to {head:,}",
        "torso": f"torso: ranks {head + 1:,} to {torso:,}",
        "tail": "tail: the rest, and labels outside",
    }


def drifting(summary: Summary) -> dict[str, str]:
    """Return the columns that have a drift between spans, each with the sign of its measure."""
    signs = {"l_infinity": "L∞", "jensen_shannon": "JSD"}
    return {column: signs[found.measure] for span in summary.spans for column, found in span.drift.items()}


def in_yaml(value: Any) -> str:
    """Return a value of the configuration as text. Text stays as it is; other values are in YAML's flow style."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def settings(summary: Summary) -> list[dict[str, Any]]:
    """Return the configuration as lines of text, `text` and `differs`."""
    if summary.configuration is None:
        return []
    return [{"text": f"{of.key}: {in_yaml(of.value)}", "differs": of.differs} for of in summary.configuration.settings]


def timeline(summary: Summary) -> list[dict[str, Any]]:
    """Return the nodes as bars on one timeline: `node`, and `left` and `width` in percent of the nodes' total time."""
    total = sum(node.seconds for node in summary.nodes) or 1.0
    rows, start = [], 0.0
    for node in summary.nodes:
        rows.append({"node": node, "left": 100 * start / total, "width": 100 * node.seconds / total})
        start += node.seconds
    return rows
