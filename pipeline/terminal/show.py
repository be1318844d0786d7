"""A run's figures for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from components.figures import in_units
from components.report.measures import NumberMetrics, NumberTarget
from components.report.summary import Summary
from components.report.tables import UNITS
from pipeline.paths import Paths

_COLUMNS = {
    "recall_at_1": ("recall@1", ".3f"),
    "recall_at_10": ("recall@10", ".3f"),
    "recall_at_20": ("recall@20", ".3f"),
    "mrr_at_10": ("MRR@10", ".3f"),
    "nll": ("nll (nats)", ".3f"),
    "perplexity": ("perplexity", ".1f"),
}
_NUMBER_COLUMNS = {"rmse": ("rmse", UNITS), "mae": ("mean abs. error", UNITS), "r2": ("R2", ".3f")}
_CLASS_COLUMNS = {"accuracy": ("accuracy", ".3f"), "nll": ("nll (nats)", ".3f")}


def closing_lines(summary: Summary, paths: Paths) -> Iterator[str]:
    """What stands at the end of a run."""
    yield from table(summary)
    yield ""
    if summary.pushed:
        yield f"Pushed to {summary.pushed_to} after {minutes(summary.seconds)}. Next:"
        yield '  bigvocab predict "..."'
    else:
        yield f"Not pushed, after {minutes(summary.seconds)}. {'. '.join(verdict(summary))}."
    yield f"  {paths.report}/report.html"


def summary_lines(file: Path) -> Iterator[str]:
    """`summary.json` for people.

    Raises:
        ValueError: the file is no summary.
    """
    summary = Summary.read(file)
    yield f"{summary.name}, finished {summary.finished} after {minutes(summary.seconds)}"
    yield ""
    yield from table(summary)
    yield ""
    yield from verdict(summary)


def table(summary: Summary) -> Iterator[str]:
    """Model and baselines over the test split."""
    if summary.metrics is None:
        yield "No model was evaluated."
        return
    number = isinstance(summary.metrics, NumberMetrics)
    labels = summary.metrics.count
    how = "in the label's units" if number else "full softmax"
    yield f"Test split, {how}{f', {labels:,} labels' if labels else ''}:"
    columns = _NUMBER_COLUMNS if number else _COLUMNS
    yield from _figures({"model": summary.metrics, **summary.baselines}, columns)
    for name, values in summary.targets.items():
        yield ""
        yield f"{name}{f', {values.count:,} labels' if values.count else ''}:"
        columns = _NUMBER_COLUMNS if isinstance(values, NumberTarget) else _CLASS_COLUMNS
        yield from _figures({"model": values, **summary.target_baselines.get(name, {})}, columns)


def _figures(rows: Mapping[str, object], columns: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    """A line for each model, under the columns' titles."""
    width = max(map(len, rows)) + 2
    widths = {key: max(12, len(title) + 2) for key, (title, _) in columns.items()}
    yield f"  {'':<{width}}" + "".join(f"{title:>{widths[key]}}" for key, (title, _) in columns.items())
    for name, metrics in rows.items():
        values = ((key, getattr(metrics, key), form) for key, (_, form) in columns.items())
        cells = ((key, figure(value, form)) for key, value, form in values)
        yield f"  {name:<{width}}" + "".join(f"{cell:>{widths[key]}}" for key, cell in cells)


def figure(value: float | None, form: str) -> str:
    """A number as text, or a dash."""
    if value is None:
        return "-"
    return in_units(value) if form == UNITS else format(value, form)


def verdict(summary: Summary) -> list[str]:
    """Whether the model was pushed, or why not."""
    if summary.failure:
        return [f"{summary.failure.node} failed: {summary.failure.message}"]
    if summary.pushed:
        return [f"Blessed, served in a trial, and pushed to {summary.pushed_to}"]
    sentences = [f"Not blessed: {'; '.join(summary.failures)}"] if summary.blessed is False else []
    if summary.servable is False:
        sentences.append(f"Not servable: {summary.servable_cause}")
    return sentences or ["Not pushed"]


def minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
