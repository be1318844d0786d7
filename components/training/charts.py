"""Charts of the training in the report."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from components.charts import Chart, Column, lines, position
from components.messages.formatting import duration
from components.metrics.table import shown

if TYPE_CHECKING:
    from components.report.summary import Summary


def curves(summary: Summary) -> list[Chart]:
    """Return a chart for each of the label's metrics by epoch. The validation whose weights were kept has a ring.

    A history of a single validation gives no charts.
    """
    training = summary.training
    if training is None or len(training.history) < 2:
        return []
    times = [*itertools.accumulate(entry.seconds + (entry.validation_seconds or 0) for entry in training.history)]
    note = "eval split"
    if training.validation_examples:
        note += f", up to {training.validation_examples:,} labels"
    charts = []
    # The curves of several labels have the names of those of one label.
    for metric in (*shown("label", "curve", summary.own_metrics), *shown("number", "curve", summary.own_metrics)):
        rows = [
            {"epoch": entry.epoch, "value": value, "time": duration(time), "kept": index == training.best}
            for index, (entry, time) in enumerate(zip(training.history, times, strict=True))
            if (value := getattr(entry, metric.name, None)) is not None
        ]
        if not rows:
            continue
        columns = (
            Column("epoch", "epoch", ".3g"), Column("value", metric.label, metric.form), Column("time", "wall time"),
        )  # fmt: skip
        x, y = position("epoch", "epoch"), position("value", metric.label, zero=False)
        ring = {
            "transform": [{"filter": "datum.kept"}],
            "mark": {"type": "point", "size": 220, "strokeWidth": 2, "color": "var(--other)"},
            "encoding": {"x": x, "y": y},
        }
        layers = [*lines(x, y, columns), ring]
        charts.append(Chart(f"curve-{metric.name}", f"Validation {metric.label}", note, rows, columns, layers, {}))
    return charts
