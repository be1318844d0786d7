"""Tests of summary, page and closing lines of a run with a user's own metric."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from rich.table import Table

from components.messages.terminal import plain
from components.metrics import Metric
from components.report import html
from components.report.sections.measures import ClassTarget, Metrics, NumberMetrics
from components.report.sections.training import training_section
from components.report.summary import Summary, evaluation_section
from pipeline.terminal import show
from tests.components.report.test_report import SECTIONS, _evaluation, _metrics, _Page, _summary, _training

OWN = Metric(
    name="recall_at_50", label="recall@50", sums=("count",), formula=lambda totals: 0.0, per="share of it", form=".1%"
)


def summary() -> Summary:
    evaluation = _evaluation()
    for measured in (evaluation["metrics"], *evaluation["slices"]):
        measured |= {"recall_at_50": 0.7123}
    evaluation["baselines"] = {"popular": {**_metrics(0.318, 620.0), "recall_at_50": math.nan}}
    training = _training()
    for entry in training["validations"]:
        entry |= {"recall_at_50": 0.6712, "party_accuracy": 0.5}
    training["measured"] = ["nll", "perplexity", "recall_at_10", "mrr_at_10", "recall_at_50"]
    return _summary(**evaluation_section(evaluation), training=training_section(training), own_metrics=[OWN.column])


def test_it_stands_beside_the_others_and_is_read_back(tmp_path: Path) -> None:
    summary().write(tmp_path / "summary.json")
    found = json.loads((tmp_path / "summary.json").read_text())
    assert found["metrics"]["recall_at_50"] == 0.7123
    assert found["baselines"]["popular"]["recall_at_50"] is None
    entry = found["training"]["history"][0]
    assert [*entry][:7] == ["epoch", "step", "train_loss", "nll", "perplexity", "recall_at_10", "recall_at_50"]
    assert entry["targets"] == {"party_accuracy": 0.5}
    assert found["own_metrics"][0]["label"] == "recall@50"
    assert Summary.read(tmp_path / "summary.json") == summary()
    assert "own_metrics" not in json.loads(_summary().model_dump_json())


def test_it_is_a_column_of_the_page_and_of_the_terminal() -> None:
    text = _Page(html.render(summary(), SECTIONS)).text
    assert "recall@50 share of it" in text
    assert "71.2%" in text
    assert "67.1%" in text, "a row of the validations"
    _, table = show.metrics(summary())
    assert isinstance(table, Table)
    heads, model, popular = plain(table)[:3]
    assert heads.split()[-1] == "recall@50"
    assert (model.split()[-1], popular.split()[-1]) == ("71.2%", "-")


@pytest.mark.parametrize(
    ("kind", "values", "fault"),
    [
        (Metrics, {"rmse": 1.0}, "not of this kind: rmse"),
        (Metrics, {"count": 3}, "nll is missing"),
        (NumberMetrics, {"nll": None}, "rmse is missing"),
        (ClassTarget, {"nll": 1.0, "perplexity": 2.0}, "not of this kind: perplexity"),
        (Metrics, {"nll": math.inf}, "finite"),
        (Metrics, {"nll": 1.0, "mine": "much"}, "mine"),
    ],
)
def test_metrics_of_another_kind_and_what_is_no_number_are_refused(kind: Any, values: Any, fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        kind.model_validate(values)


def test_a_summary_of_a_version_that_knew_fewer_metrics_is_read() -> None:
    found = Metrics.model_validate({"nll": 1.0, "count": 3.0})
    assert (found.nll, found.count, found.recall_at_20) == (1.0, 3, None)
