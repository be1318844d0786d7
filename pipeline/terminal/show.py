"""Metrics and result of a run, as lines and tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from components.messages.formatting import duration, on_terminal, printable
from components.messages.terminal import table
from components.metrics.definitions import Column
from components.report.summary import Summary
from components.report.tables import (
    about_margins,
    columns,
    counted,
    kind_of_label,
    margin_in_words,
    margins,
    target_columns,
)
from pipeline.paths import Paths

Part = str | Text | Table
_SLICES = 20
"""Values of a column in the table of its slices, at most."""


def closing(summary: Summary, paths: Paths) -> Iterator[Part]:
    """Yield what a run prints at its end."""
    yield from metrics(summary)
    yield ""
    if summary.pushed:
        yield f"Pushed to {summary.pushed_to} after {duration(summary.seconds)}. Next:"
        yield '  bigvocab predict "..."'
    else:
        yield f"Not pushed, after {duration(summary.seconds)}. {'. '.join(verdict(summary))}."
    yield f"  {paths.report}/report.html"


def stored(file: Path) -> Iterator[Part]:
    """Yield what `bigvocab report` prints for a `summary.json`.

    Raises:
        ValueError: The file is not a summary.
    """
    summary = Summary.read(file)
    yield f"{summary.name}, finished {summary.finished} after {duration(summary.seconds)}"
    yield ""
    yield from metrics(summary)
    yield ""
    yield from verdict(summary)


def metrics(summary: Summary, rows: str = "Test split") -> Iterator[Part]:
    """Yield the tables of the model and the baselines, for the label and each further target.

    Args:
        summary: The summary.
        rows: The measured rows, for people.
    """
    if summary.metrics is None:
        yield "No model was evaluated."
        return
    count, what = summary.metrics.count, counted(summary.metrics)
    how = "in the label's units" if kind_of_label(summary.metrics) == "number" else "full softmax"
    yield f"{rows}, {how}{f', {count:,} {what}' if count else ''}:"
    yield _compared({"model": summary.metrics, **summary.baselines}, columns(summary, "terminal"))
    if found := margins(summary):
        yield f"{about_margins(found)}:"
        yield table([[f"  {column.label}", margin_in_words(column, margin)] for column, margin in found], figures=False)
    for name, values in summary.targets.items():
        yield ""
        yield f"{name}{f', {values.count:,} labels' if values.count else ''}:"
        models = {"model": values, **summary.target_baselines.get(name, {})}
        yield _compared(models, target_columns(summary, values, "terminal"))


def slices(summary: Summary) -> Iterator[Part]:
    """Yield a table for each column that the evaluation is sliced by, the values with the most labels first."""
    for name in dict.fromkeys(entry.slice for entry in summary.slices):
        found = sorted((e for e in summary.slices if e.slice == name), key=lambda e: e.metrics.count or 0, reverse=True)
        more = f", {_SLICES} of {len(found):,} values" if len(found) > _SLICES else ""
        yield ""
        yield f"By {name}{more}:"
        shown = columns(summary, "terminal")
        rows = [
            [
                f"  {printable(str(entry.value))}",
                on_terminal(entry.metrics.count, "count"),
                *(on_terminal(getattr(entry.metrics, column.name, None), column.form) for column in shown),
            ]
            for entry in found[:_SLICES]
        ]
        yield table(rows, ["", counted(summary.metrics), *(column.text for column in shown)])


def _compared(models: Mapping[str, object], shown: Sequence[Column]) -> Table:
    """Return a table with a row for each model. The best value of a metric is green."""
    values = {c.name: {name: getattr(found, c.name, None) for name, found in models.items()} for c in shown}

    def cell(name: str, column: Column) -> Text:
        value = values[column.name][name]
        known = [v for v in values[column.name].values() if v is not None]
        best = column.better and value is not None and value == (max if column.better == "higher" else min)(known)
        return Text(on_terminal(value, column.form), "green" if best else "")

    rows = [[f"  {name}", *(cell(name, column) for column in shown)] for name in models]
    return table(rows, ["", *(column.text for column in shown)])


def verdict(summary: Summary) -> list[str]:
    """Return a sentence that the model was pushed, or the reasons that it was not pushed."""
    if summary.failure:
        return [f"{summary.failure.node} failed: {summary.failure.message}"]
    if summary.pushed:
        return [f"Blessed, served in a trial, and pushed to {summary.pushed_to}"]
    sentences = [f"Not blessed: {'; '.join(summary.failures)}"] if summary.blessed is False else []
    if summary.servable is False:
        sentences.append(f"Not servable: {summary.servable_cause}")
    return sentences or ["Not pushed"]
