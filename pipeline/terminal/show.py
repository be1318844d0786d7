"""Metrics and result of a run, as lines for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from components.formatting import duration, on_terminal
from components.metrics.definitions import Column
from components.report.summary import Summary
from components.report.tables import columns, kind_of_label, target_columns
from pipeline.paths import Paths


def closing_lines(summary: Summary, paths: Paths) -> Iterator[str]:
    """Yield the lines that a run prints at its end."""
    yield from table(summary)
    yield ""
    if summary.pushed:
        yield f"Pushed to {summary.pushed_to} after {duration(summary.seconds)}. Next:"
        yield '  bigvocab predict "..."'
    else:
        yield f"Not pushed, after {duration(summary.seconds)}. {'. '.join(verdict(summary))}."
    yield f"  {paths.report}/report.html"


def summary_lines(file: Path) -> Iterator[str]:
    """Yield the lines of `bigvocab report` for a `summary.json`.

    Raises:
        ValueError: The file is not a summary.
    """
    summary = Summary.read(file)
    yield f"{summary.name}, finished {summary.finished} after {duration(summary.seconds)}"
    yield ""
    yield from table(summary)
    yield ""
    yield from verdict(summary)


def table(summary: Summary) -> Iterator[str]:
    """Yield the table of the model and the baselines over the test split."""
    if summary.metrics is None:
        yield "No model was evaluated."
        return
    labels = summary.metrics.count
    how = "in the label's units" if kind_of_label(summary.metrics) == "number" else "full softmax"
    yield f"Test split, {how}{f', {labels:,} labels' if labels else ''}:"
    yield from _figures({"model": summary.metrics, **summary.baselines}, columns(summary, "terminal"))
    for name, values in summary.targets.items():
        yield ""
        yield f"{name}{f', {values.count:,} labels' if values.count else ''}:"
        models = {"model": values, **summary.target_baselines.get(name, {})}
        yield from _figures(models, target_columns(summary, values, "terminal"))


def _figures(models: Mapping[str, object], shown: Sequence[Column]) -> Iterator[str]:
    """Yield a line for each model, under the columns' titles."""
    width = max(map(len, models)) + 2
    widths = {column.name: max(12, len(column.text) + 2) for column in shown}
    yield f"  {'':<{width}}" + "".join(f"{column.text:>{widths[column.name]}}" for column in shown)
    for name, metrics in models.items():
        cells = ((c.name, on_terminal(getattr(metrics, c.name, None), c.form)) for c in shown)
        yield f"  {name:<{width}}" + "".join(f"{cell:>{widths[column]}}" for column, cell in cells)


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
