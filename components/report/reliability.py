"""Reliability diagram: mean probability of the most probable class against the share of correct predictions, by bin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from markupsafe import Markup, escape

from components.messages.formatting import share
from components.metrics.reliability import CONFIDENT
from components.report.charts import ticks
from components.report.measures import ReliabilityBin
from components.report.summary import Summary

_WIDTH, _HEIGHT = 440, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 16, 14, 62
# Height of the tallest bar of the numbers of predictions, as a share of the chart.
_BARS = 0.2


@dataclass(frozen=True)
class Series:
    """Points of a diagram that belong to one model and one split.

    Attributes:
        name: Name for people.
        style: Class of the style sheet: `before`, `after` or `test`.
        points: Bins in ascending order.
    """

    name: str
    style: str
    points: Sequence[ReliabilityBin]


def reliability_series(summary: Summary) -> list[Series]:
    """Return the series of a run that were measured: before and after the calibration, and on the test split."""
    calibration = summary.training.label_calibration if summary.training else None
    found = []
    if calibration:
        found += [
            Series("eval split, before calibration", "before", calibration.before.reliability),
            Series("eval split, after calibration", "after", calibration.after.reliability),
        ]
    found.append(Series("test split, after calibration", "test", summary.reliability))
    return [series for series in found if any(point.count for point in series.points)]


def reliability_charts(series: Sequence[Series]) -> list[dict[str, Any]]:
    """Return a chart of the confident predictions and a chart of all others, each with `title`, `note` and `svg`.

    With many classes, most predictions are below the least confident probability, and would be one dot of a single
    chart. A chart without predictions is left out. The bars show the numbers of predictions of the last series.
    """
    charts = []
    for confident, title in (
        (True, f"Predictions from p = {CONFIDENT:g}"),
        (False, f"Predictions below p = {CONFIDENT:g}"),
    ):
        parts = [
            Series(of.name, of.style, [point for point in of.points if (point.low >= CONFIDENT) == confident])
            for of in series
        ]
        if not any(point.count for of in parts for point in of.points):
            continue
        last = parts[-1]
        total = sum(point.count for point in series[-1].points)
        note = f"{share(sum(point.count for point in last.points) / total)} of the predictions on the {last.name}"
        charts.append({"title": title, "note": note, "svg": reliability_chart(parts, title)})
    return charts


def reliability_rows(series: Sequence[Series]) -> list[dict[str, Any]]:
    """Return the rows of the table behind the charts: `name` of the bin, and its `points`, one for each series."""
    points = sorted((point for of in series for point in of.points), key=lambda point: point.low)
    return [
        {"name": f"{low:g} to {high:g}", "points": [*found]}
        for (low, high), found in groupby(points, key=lambda point: (point.low, point.high))
    ]


def reliability_chart(series: Sequence[Series], title: str) -> Markup:
    """Draw the points of some bins, with the diagonal of a perfect calibration.

    Args:
        series: Series with the same bins, at least one of them with a prediction. The bars and the numbers below the
            axis are the numbers of predictions of the last series.
        title: Description of the chart for screen readers.
    """
    bins = series[-1].points
    low, high = bins[0].low, bins[-1].high
    shares = [point.share_correct for of in series for point in of.points if point.share_correct is not None]
    y_ticks = ticks(0, max(high, *shares))

    def x_of(value: float) -> float:
        return _LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    def y_of(value: float) -> float:
        return _HEIGHT - _BOTTOM - value / y_ticks[-1] * (_HEIGHT - _TOP - _BOTTOM)

    parts = [f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">']
    tallest = max(point.count for point in bins) or 1
    for point in bins:
        left, right, top = x_of(point.low) + 1, x_of(point.high) - 1, y_of(y_ticks[-1] * _BARS * point.count / tallest)
        parts.append(
            f'<rect class="count" x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" '
            f'height="{y_of(0) - top:.1f}"/>'
        )
        middle = (left + right) / 2
        parts.append(
            f'<text class="note" x="{middle:.1f}" y="{_HEIGHT - 27}" text-anchor="middle">{_short(point.count)}</text>'
        )
    for value in y_ticks:
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y_of(value):.1f}" y2="{y_of(value):.1f}"/>'
        )
        parts.append(f'<text x="{_LEFT - 8}" y="{y_of(value) + 4:.1f}" text-anchor="end">{value:.3g}</text>')
    for value in (*(point.low for point in bins), high):
        parts.append(f'<text x="{x_of(value):.1f}" y="{_HEIGHT - 44}" text-anchor="middle">{value:g}</text>')
    ends = f'x1="{x_of(low):.1f}" y1="{y_of(low):.1f}" x2="{x_of(high):.1f}" y2="{y_of(high):.1f}"'
    parts.append(f'<line class="diagonal" {ends}/>')
    axis = "probability of the most probable class, and predictions per bin"
    parts.append(f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2:.1f}" y="{_HEIGHT - 7}" text-anchor="middle">{axis}</text>')
    for of in series:
        parts += _line(of, x_of, y_of)
    return Markup("".join([*parts, "</svg>"]))


def _line(series: Series, x_of: Any, y_of: Any) -> list[str]:
    """Return the line and the dots of a series."""
    measured = [
        (x_of(point.confidence), y_of(point.share_correct), point)
        for point in series.points
        if point.confidence is not None and point.share_correct is not None
    ]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in measured)
    parts = [f'<polyline class="line {series.style}" points="{path}"/>']
    for x, y, point in measured:
        label = escape(
            f"{series.name}: probability {point.confidence:.3f}, correct {point.share_correct:.3f}, "
            f"{point.count:,} predictions"
        )
        parts.append(
            f'<circle class="dot {series.style}" cx="{x:.1f}" cy="{y:.1f}" r="4"><title>{label}</title></circle>'
        )
    return parts


def _short(count: int) -> str:
    """Format a number of predictions for the width of a bin: `812`, `4.1K`, `16K`."""
    if count < 1_000:
        return str(count)
    thousands = count / 1_000
    return f"{thousands:.1f}K" if thousands < 9.95 else f"{thousands:,.0f}K"
