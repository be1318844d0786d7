"""Tests of the summary and the report of a run whose rows may have several labels."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from components.metrics.headline import best_of, headline
from components.metrics.table import of_kind
from components.report import html
from components.report.sections.measures import Metrics, SeveralMetrics
from components.report.summary import Summary, evaluation_section
from components.report.tables import columns, denominators
from tests.components.report.test_report import SECTIONS


def metrics(share: float, **changes: Any) -> dict[str, Any]:
    """Return metrics of rows with several labels, with `share` for all shares."""
    numbers = {"nll": 2.0, "perplexity": 7.4, "count": 1_000.0, "known": 990.0, "labels": 2_900.0}
    return {metric.name: share for metric in of_kind("several")} | numbers | {"labels_known": 2_800.0} | changes


def summary() -> Summary:
    only_ranks = {"nll": float("nan"), "perplexity": float("nan"), "ece": float("nan"), "ece_confident": float("nan")}
    band = metrics(0.3, precision_at_1=float("nan"), count=412.333333)
    evaluation = {
        "metrics": metrics(0.5),
        "bands": dict.fromkeys(("head", "torso", "tail"), band),
        "baselines": {"popular": metrics(0.1), "nearest": metrics(0.4, **only_ranks)},
        "baseline_bands": {"nearest": {"head": band}},
        "slices": [{"slice": "shop", "value": "north", **metrics(0.6), "baselines": {"popular": metrics(0.2)}}],
        "reliability": [
            {"low": 0.0, "high": 0.1, "count": 400, "confidence": 0.05, "share_correct": 0.06},
            {"low": 0.1, "high": 1.0, "count": 600, "confidence": 0.5, "share_correct": 0.7},
        ],
        "blessed": True,
        "failures": [],
    }
    return Summary(name="tags", finished="2026-01-02T07:40:11+00:00", seconds=1.0, **evaluation_section(evaluation))


def test_the_metrics_are_those_of_several_labels_beside_the_names_of_one() -> None:
    found = Summary.model_validate_json(summary().model_dump_json())
    assert isinstance(found.metrics, SeveralMetrics)
    assert isinstance(found.bands["head"], SeveralMetrics)
    assert isinstance(found.slices[0].metrics, SeveralMetrics)
    written = found.model_dump()["metrics"]
    assert {"precision_at_5", "psp_at_3", "ndcg_at_10", "recall_at_10", "mrr_at_10", "nll", "perplexity"} <= {*written}
    assert written["mrr_at_20"] is None
    assert written["labels"] == 2_900
    assert found.bands["head"].count == pytest.approx(412.333333)


def test_a_summary_of_one_label_has_no_metric_of_several() -> None:
    one = {metric.name: 0.5 for metric in of_kind("label")}
    assert type(Summary(name="a", finished="", seconds=0, metrics=one).metrics) is Metrics  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="not of this kind: psp_at_1"):
        Metrics.model_validate(one | {"psp_at_1": 0.5})


def test_the_report_shows_precision_and_counts_rows() -> None:
    page = html.render(summary(), SECTIONS)
    assert "1,000 test rows" in page
    assert ">P@1<" in page
    assert ">PSP@5<" in page
    assert "one of the labels of the row" in page
    assert denominators(summary()).startswith("P, PSP, recall, NDCG and ECE over all 1,000 rows")
    assert [column.label for column in columns(summary(), "tile")] == ["recall@10", "perplexity", "P@1"]


def test_the_terminal_shows_the_label_s_metrics() -> None:
    assert headline(metrics(0.5)) == "recall@10 0.500, perplexity 7.4"
    assert best_of({"popular": metrics(0.1), "nearest": metrics(0.4)}) == "nearest"
