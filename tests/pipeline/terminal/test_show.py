from __future__ import annotations

from typing import Any

from rich.table import Table

from components.messages.terminal import plain
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


def test_the_margins_are_below_the_table() -> None:
    margin = {"baseline": "trigram", "level": 0.95, "rows": 1_197, "resamples": 1_000}
    recall = {"metric": "recall_at_10", "measure": "difference", "value": 0.025, "low": 0.021, "high": 0.0293, **margin}
    ratio = {"metric": "perplexity", "measure": "ratio", "value": 0.69, "low": 0.676, "high": 1.005, **margin}
    none = {"metric": "perplexity", "measure": "ratio", "value": 0.69, "low": None, "high": None, **margin}
    title, recall_, equal, point = _margins([recall, ratio, none])
    assert title == "Margin over the best baseline, 95% interval over 1,197 rows:"
    assert recall_ == "  recall@10   0.025 above the trigram's (+0.021 to +0.029)"
    assert equal == "  perplexity  equal to the trigram's within the interval (-32.4% to +0.5%)"
    assert point == "  perplexity  31.0% below the trigram's"
    assert _margins([]) == []


def _margins(found: list[dict[str, Any]]) -> list[str]:
    _, _, *rest = show.metrics(_summary(margins=found))
    return [line for part in rest for line in (plain(part) if isinstance(part, Table) else [str(part)])]


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
