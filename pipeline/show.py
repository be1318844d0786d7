"""A run's figures for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from components.report.summary import Metrics, Summary
from pipeline.paths import Paths

_COLUMNS = {
    "recall_at_1": ("recall@1", ".3f"),
    "recall_at_10": ("recall@10", ".3f"),
    "recall_at_20": ("recall@20", ".3f"),
    "mrr_at_10": ("MRR@10", ".3f"),
    "nll": ("nll (nats)", ".3f"),
    "perplexity": ("perplexity", ".1f"),
}


def closing_lines(summary: Summary, paths: Paths) -> Iterator[str]:
    """What stands at the end of a run."""
    yield from table(summary)
    yield ""
    if summary.pushed:
        yield f"Pushed to {summary.pushed_to} after {minutes(summary.seconds)}. Next:"
        yield '  bigvocab predict "..."'
    else:
        yield f"Not pushed, after {minutes(summary.seconds)}. {'. '.join(verdict(summary))}."
    yield f"  {paths.report / 'report.html'}"


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
    labels = summary.metrics.count
    yield f"Test split, full softmax{f', {labels:,} labels' if labels else ''}:"
    rows: dict[str, Metrics] = {"model": summary.metrics, **summary.baselines}
    width = max(map(len, rows)) + 2
    yield f"  {'':<{width}}" + "".join(f"{title:>12}" for title, _ in _COLUMNS.values())
    for name, metrics in rows.items():
        values = ((getattr(metrics, key), form) for key, (_, form) in _COLUMNS.items())
        cells = ("-" if value is None else format(value, form) for value, form in values)
        yield f"  {name:<{width}}" + "".join(f"{cell:>12}" for cell in cells)


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
