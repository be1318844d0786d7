from __future__ import annotations

from rich.table import Table

from components.terminal import plain
from pipeline.paths import Paths
from pipeline.terminal import show
from tests.components.report.test_report import _summary


def test_the_end_of_a_run() -> None:
    paths = Paths.of("runs/sotu")
    title, table, *rest = show.closing(_summary(), paths)
    assert title == "Test split, full softmax, 115,574 labels:"
    assert isinstance(table, Table)
    heads, model, *baselines = plain(table)
    assert heads == "           recall@1  recall@10  recall@20  MRR@10  nll (nats)  perplexity"
    assert model.split()[0] == "model"
    assert [line.split()[0] for line in baselines] == [*_summary().baselines]
    assert {len(line) for line in (heads, model, *baselines)} == {len(heads)}
    assert rest == [
        "",
        "Pushed to runs/sotu/serving/1795332206 after 7 min 31 s. Next:",
        '  bigvocab predict "..."',
        f"  {paths.report}/report.html",
    ]


def test_the_best_value_of_a_metric_is_green() -> None:
    summary = _summary()
    _, table = show.metrics(summary)
    assert isinstance(table, Table)
    assert summary.metrics
    for place, column in enumerate(show.columns(summary, "terminal"), start=1):
        values = [getattr(found, column.name) for found in (summary.metrics, *summary.baselines.values())]
        best = max(values) if column.better == "higher" else min(values)
        styles = [getattr(cell, "style", "") for cell in table.columns[place].cells]
        assert [style == "green" for style in styles[-len(values) :]] == [value == best for value in values]
