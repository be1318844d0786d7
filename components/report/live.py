"""Page with the curves of a training that runs: `bigvocab report --follow`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.charts import CONFIG, Chart, Column, lines, position
from components.report.html import environment, style
from components.report.scripts import LIVE, policy, scripts

Points = Sequence[tuple[int, float]]
"""Pairs of a step and a value, in ascending order of the steps."""
_SHOWN = 500
"""Points of a curve, at most."""


def live_page(root: str) -> str:
    """Return the page, which reads `state.json` every few seconds.

    Args:
        root: Folder of the run, as people know it.
    """
    template = environment().get_template("components.report:live.html.j2")
    return template.render(root=root, style=style(), scripts=scripts(LIVE), policy=policy(LIVE))


def live_state(curves: Mapping[str, Points], line: str, report: str) -> dict[str, Any]:
    """Return the content of `state.json`.

    Args:
        curves: Points of each curve, by name. Of more than 500 points, some are left out at equal distances.
        line: State of the training, in one line.
        report: Time of the last report, or an empty string.

    Returns:
        JSON data: `line`, `report`, and `config`, `figures` and `charts` of Vega-Lite.
    """
    charts = [_chart(name, points) for name, points in curves.items() if points]
    return {
        "line": line,
        "report": report,
        "config": CONFIG,
        "figures": "".join(chart.__html__() for chart in charts),
        "charts": {chart.name: chart.specification for chart in charts},
    }


def _chart(name: str, points: Points) -> Chart:
    every = -(-len(points) // _SHOWN)
    rows = [{"step": step, "value": value} for step, value in [*points[:-1:every], points[-1]]]
    title = name.replace("/", ": ").replace("_", " ")
    columns = (Column("step", "step", "count"), Column("value", title, ".4g"))
    layers = lines(position("step", "step", zero=False), position("value", title, zero=False), columns)
    return Chart(f"live-{name}", title, f"{len(points):,} points", rows, columns, layers, {})
