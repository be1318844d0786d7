"""Charts of the vocabularies in the report."""

from __future__ import annotations

from typing import Any

from components.charts import Chart, Column, lines, position, series

_NAMES = {"inputs": "input tokens", "labels": "labels"}


def coverage_charts(summary: Any) -> list[Chart]:
    """Return the chart of the coverage by the most frequent entries of each vocabulary.

    Args:
        summary: A `components.report.summary.Summary`.
    """
    rows = [
        {"vocabulary": _NAMES[name], "entries": covered.entries, "share": covered.share}
        for name, vocabulary in summary.vocabularies.items()
        for covered in vocabulary.coverage
    ]
    if not rows:
        return []
    columns = (
        Column("vocabulary", "vocabulary"), Column("entries", "entries", "count"), Column("share", "covered", ".2%"),
    )  # fmt: skip
    x = {**position("entries", "most frequent entries", type="log"), "axis": {"format": "~s", "grid": False}}
    y = {**position("share", "share of the occurrences", domain=[0, 1]), "axis": {"format": ".0%"}}
    names = dict.fromkeys(row["vocabulary"] for row in rows)
    layers = lines(x, y, columns, series("vocabulary", names))
    note = "share of the occurrences of all entries, train split"
    return [Chart("coverage", "Coverage by the most frequent entries", note, rows, columns, layers, {})]
