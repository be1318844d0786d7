"""Tests of the metrics by weight in the report and on the terminal."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from components.messages.terminal import plain
from components.report.html import render
from components.report.summary import Summary
from pipeline.nodes import NODES
from pipeline.terminal import show
from tests.components.report.test_report import _metrics, _summary

WEIGHTED = {
    "column": "trust & <age>",
    "metrics": {**_metrics(0.6, 80.0), "count": 1_234.5},
    "baselines": {"popular": _metrics(0.3, 700.0), "trigram": _metrics(0.61, 90.0)},
}


def page(**changes: Any) -> str:
    return render(_summary(**changes), [section for node in NODES for section in node.sections])


def test_a_second_table_has_the_metrics_by_weight() -> None:
    text = page(weighted=WEIGHTED)
    assert "the column <strong>trust &amp; &lt;age&gt;</strong> of its row, 1234.5 in total" in text
    assert 'aria-label="The model and the baselines by weight"' in text
    assert "By weight" not in page()


def test_the_terminal_has_both_tables() -> None:
    parts = list(show.metrics(_summary(weighted=WEIGHTED)))
    lines = [line for part in parts for line in (plain(part) if isinstance(part, Table) else [str(part)])]
    at = lines.index("By weight (column 'trust & <age>'):")
    assert [line.split()[0] for line in lines[at + 2 : at + 5]] == ["model", "popular", "trigram"]
    assert "By weight" not in " ".join(map(str, show.metrics(_summary())))


def test_a_summary_without_weights_does_not_mention_them() -> None:
    assert "weighted" not in _summary().model_dump()
    read = Summary.model_validate_json(_summary(weighted=WEIGHTED).model_dump_json())
    assert read.weighted is not None
    assert read.weighted.metrics.count == 1_234.5
