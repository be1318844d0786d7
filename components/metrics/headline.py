"""Metrics of a model in a few words, for one line on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from components.messages.formatting import on_terminal
from components.metrics.definitions import Column, Kind, Place
from components.metrics.table import kind_of, shown

Metrics = Mapping[str, float | None]


def headline(metrics: Metrics, place: Place = "brief", own: Sequence[Column] = ()) -> str:
    """Return the label's metrics that are shown in a place: `recall@10 0.496, perplexity 128.0`.

    Args:
        metrics: Metrics by name.
        place: Place that the metrics are shown in.
        own: A user's own metrics.
    """
    return _figures(metrics, _columns(metrics, place, own=own))


def target(name: str, metrics: Metrics) -> str:
    """Return the first `brief` metric of a further target: `party accuracy 0.712`."""
    return f"{name} {_figures(metrics, _columns(metrics, 'brief', 'class')[:1])}"


def best_of(models: Mapping[str, Metrics]) -> str:
    """Return the name of the best model in the first `brief` metric; the first one among equals."""
    first = _columns(next(iter(models.values())), "brief")[0]
    sign = 1 if first.better == "higher" else -1
    measured = {name: value for name, found in models.items() if (value := found[first.name]) is not None}
    return max(measured, key=lambda name: sign * measured[name]) if measured else next(iter(models))


def _columns(metrics: Metrics, place: Place, classes: Kind = "label", own: Sequence[Column] = ()) -> Sequence[Column]:
    return shown(kind_of(metrics, classes), place, own)


def _figures(metrics: Metrics, columns: Sequence[Column]) -> str:
    return ", ".join(f"{column.label} {on_terminal(metrics[column.name], column.form)}" for column in columns)
