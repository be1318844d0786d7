"""Charts of the report: Vega-Lite specifications, each with a table of the same data.

A specification names colors as variables of the page's style sheet, such as `var(--model)`. A chart is an SVG in the
page, so it takes on the colors of a light, dark or printed page without being drawn again. The names of fields are
those of the code: text of users is only data, and never an expression, a field or a color.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from components.messages.formatting import figure

COLORS = ("var(--model)", "var(--other)", "var(--good)", "var(--soft)")
"""Colors of series, in order."""
_SHAPES = ("circle", "square", "diamond", "triangle-up")
_DASHES = ([1, 0], [6, 3], [2, 2], [8, 2, 2, 2])
CONFIG: Mapping[str, Any] = {
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "domainColor": "var(--rule)", "gridColor": "var(--rule)", "tickColor": "var(--rule)",
        "labelColor": "var(--ink)", "titleColor": "var(--soft)", "labelFontSize": 12, "titleFontSize": 12,
        "titleFontWeight": "normal", "labelOverlap": True,
    },
    "legend": {
        "orient": "top", "title": None, "labelColor": "var(--ink)", "labelFontSize": 12, "labelLimit": 240,
        "columns": 1,
    },
    "mark": {"color": "var(--model)"},
}  # fmt: skip
"""Configuration of all charts."""


@dataclass(frozen=True)
class Column:
    """Column of a chart's table, and line of its tooltips.

    Attributes:
        field: Field of the rows.
        title: Display name.
        form: Format of a number, see `components.messages.formatting.figure`. Text stays as it is.
    """

    field: str
    title: str
    form: str = "fraction"

    def text(self, value: Any) -> str:
        """Format a value."""
        return value if isinstance(value, str) else figure(value, self.form)


@dataclass(frozen=True)
class Chart:
    """Chart with a table of the same data. A template shows it as `{{ chart }}`.

    Attributes:
        name: Id of the chart on the page.
        title: Title for people.
        note: Unit, split and count of the data, below the title.
        rows: Data, one mapping for each mark.
        columns: Columns of the table. The field `text_N` of a row has the text of column N, for tooltips.
        layers: Layers of the Vega-Lite specification, without the data.
        more: Further properties of the specification.
    """

    name: str
    title: str
    note: str
    rows: Sequence[Mapping[str, Any]]
    columns: Sequence[Column]
    layers: Sequence[Mapping[str, Any]]
    more: Mapping[str, Any]

    @property
    def specification(self) -> dict[str, Any]:
        """Specification of Vega-Lite 6, with the data."""
        texts = [
            {f"text_{place}": column.text(row.get(column.field)) for place, column in enumerate(self.columns)}
            for row in self.rows
        ]
        return {
            "description": f"{self.title}. {self.note}",
            "width": "container",
            "height": 240,
            "autosize": {"type": "fit-x", "contains": "padding"},
            "data": {"values": [{**row, **text} for row, text in zip(self.rows, texts, strict=True)]},
            "layer": [*self.layers],
            **self.more,
        }

    def __html__(self) -> str:
        """Return the figure: place of the drawing, and the table."""
        heads = "".join(f'<th{_text(n)} scope="col">{escape(of.title)}</th>' for n, of in enumerate(self.columns))
        lines = "".join(
            "<tr>"
            + "".join(f"<td{_text(n)}>{escape(of.text(row.get(of.field)))}</td>" for n, of in enumerate(self.columns))
            + "</tr>"
            for row in self.rows
        )
        return Markup(
            f'<figure><figcaption>{escape(self.title)} <span class="unit">{escape(self.note)}</span></figcaption>'
            f'<div class="plot" data-chart="{escape(self.name)}"></div>'
            f"<details><summary>Table: {escape(self.title)}</summary>"
            f'<div class="scroll" role="region" aria-label="Table: {escape(self.title)}" tabindex="0">'
            f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table></div></details></figure>"
        )


def _text(place: int) -> str:
    return ' class="text"' if place == 0 else ""


def tooltips(columns: Sequence[Column]) -> list[dict[str, Any]]:
    """Return the tooltip channel that shows all columns."""
    return [
        {"field": f"text_{place}", "type": "nominal", "title": column.title} for place, column in enumerate(columns)
    ]


def position(field: str, title: str, **scale: Any) -> dict[str, Any]:
    """Return a quantitative channel x or y.

    Args:
        field: Field of the rows.
        title: Title of the axis.
        scale: Properties of the scale, such as `type="log"` or `zero=False`.
    """
    return {"field": field, "type": "quantitative", "title": title, "scale": scale}


def series(field: str, names: Iterable[str]) -> dict[str, Any]:
    """Return the channels `color`, `shape` and `strokeDash` of series, which also differ without colors.

    Args:
        field: Field of the rows with the name of the series.
        names: Names of the series in order, at most four.
    """
    domain = [*names]

    def channel(values: Sequence[Any]) -> dict[str, Any]:
        return {"field": field, "type": "nominal", "scale": {"domain": domain, "range": [*values[: len(domain)]]}}

    return {"color": channel(COLORS), "shape": channel(_SHAPES), "strokeDash": channel(_DASHES)}


def lines(
    x: Mapping[str, Any], y: Mapping[str, Any], columns: Sequence[Column], of: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Return a layer of lines and a layer of dots with tooltips.

    Args:
        x: Channel of the abscissa.
        y: Channel of the ordinate.
        columns: Columns of the tooltips.
        of: Channels of series, see `series`. None: a single line.
    """
    of = of or {}
    line = {name: channel for name, channel in of.items() if name != "shape"}
    dots = {name: channel for name, channel in of.items() if name != "strokeDash"}
    return [
        {"mark": {"type": "line", "strokeWidth": 2}, "encoding": {"x": x, "y": y, **line}},
        {
            "mark": {"type": "point", "filled": True, "size": 45, "opacity": 1},
            "encoding": {"x": x, "y": y, **dots, "tooltip": tooltips(columns)},
        },
    ]


def bars(
    x: Mapping[str, Any], y: Mapping[str, Any], columns: Sequence[Column], of: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Return a layer of bars with tooltips, side by side for each series.

    Args:
        x: Channel of the abscissa.
        y: Channel of the ordinate.
        columns: Columns of the tooltips.
        of: Channels of series, see `series`. None: a single series.
    """
    color = {"color": of["color"], "xOffset": {"field": of["color"]["field"], **_order(of)}} if of else {}
    return [{"mark": {"type": "bar"}, "encoding": {"x": x, "y": y, **color, "tooltip": tooltips(columns)}}]


def _order(of: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "nominal", "scale": {"domain": of["color"]["scale"]["domain"]}}


def embedded(value: Any) -> Markup:
    """Return a value as JSON for a `<script type="application/json">`, which no text in it can end.

    Raises:
        ValueError: A number is not finite.
    """
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    for character in "<>&":  # All characters outside ASCII are escaped, U+2028 and U+2029 among them.
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)
