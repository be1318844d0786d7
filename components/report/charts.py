"""Line chart as inline SVG, colored by the style sheet of the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from markupsafe import Markup, escape

_WIDTH, _HEIGHT = 440, 250
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 30, 14, 56


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Return round numbers that cover [low, high], in about `wanted` steps of 1, 2 or 5 times a power of ten.

    Raises:
        ValueError: The interval is empty or not finite.
    """
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"no interval: {low} to {high}")
    raw = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * next(factor for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [index * step for index in range(first, last + 1)]


def line_chart(
    points: Sequence[tuple[float, float]],
    *,
    title: str,
    x_label: str,
    x_note: Callable[[float], str],
    marked: int | None = None,
    number: Callable[[float], str] = "{:g}".format,
) -> Markup:
    """Draw a line with a dot at every point.

    Args:
        points: At least one point (x, y), with x above 0 and ascending.
        title: Description of the chart for screen readers.
        x_label: Name and unit of x.
        x_note: Function that returns the second line of text below a tick of x.
        marked: Index of the point to mark.
        number: Function that formats a value of y.

    Raises:
        ValueError: `points` is empty.
    """
    if not points:
        raise ValueError("a chart needs a point")
    xs, ys = [x for x, _ in points], [y for _, y in points]
    spread = (max(ys) - min(ys)) or abs(ys[0]) * 0.1 or 1.0
    y_ticks = ticks(min(ys) - 0.05 * spread, max(ys) + 0.05 * spread)
    x_ticks = ticks(0, max(xs))

    def x_of(value: float) -> float:
        return _LEFT + (value - x_ticks[0]) / (x_ticks[-1] - x_ticks[0]) * (_WIDTH - _LEFT - _RIGHT)

    def y_of(value: float) -> float:
        return _HEIGHT - _BOTTOM - (value - y_ticks[0]) / (y_ticks[-1] - y_ticks[0]) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">']
    for value in y_ticks:
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y_of(value):.1f}" y2="{y_of(value):.1f}"/>'
        )
        parts.append(
            f'<text x="{_LEFT - 8}" y="{y_of(value) + 4:.1f}" text-anchor="end">{escape(number(value))}</text>'
        )
    for value in x_ticks:
        parts.append(f'<text x="{x_of(value):.1f}" y="{_HEIGHT - 38}" text-anchor="middle">{value:g}</text>')
        note = escape(x_note(value))
        parts.append(f'<text class="note" x="{x_of(value):.1f}" y="{_HEIGHT - 23}" text-anchor="middle">{note}</text>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle:.1f}" y="{_HEIGHT - 5}" text-anchor="middle">{escape(x_label)}</text>')
    path = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in points)
    parts.append(f'<polyline class="line" points="{path}"/>')
    for index, (x, y) in enumerate(points):
        kind = "dot best" if index == marked else "dot"
        label = escape(f"epoch {x:g}: {number(y)}")
        radius = 5 if index == marked else 3
        parts.append(
            f'<circle class="{kind}" cx="{x_of(x):.1f}" cy="{y_of(y):.1f}" r="{radius}"><title>{label}</title></circle>'
        )
    return Markup("".join([*parts, "</svg>"]))


def minutes_at(epochs: Sequence[float], seconds: Sequence[float]) -> Callable[[float], str]:
    """Return a function that gives the wall time at an epoch as text in minutes, by linear interpolation.

    The text is empty beyond the last epoch.

    Args:
        epochs: Epochs at the ends of the validation intervals, ascending, above 0.
        seconds: Seconds of each validation interval.
    """
    times = np.concatenate([[0.0], np.cumsum(seconds)])
    places = np.concatenate([[0.0], epochs])

    def note(epoch: float) -> str:
        return "" if epoch > places[-1] * 1.001 else f"{np.interp(epoch, places, times) / 60:.1f} min"

    return note
