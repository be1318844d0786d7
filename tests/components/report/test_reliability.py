"""Tests of the reliability diagram in the summary and on the page."""

from __future__ import annotations

import json
from typing import Any

from components.evaluation.sections.charts import calibration
from components.metrics.reliability import BINS, CONFIDENT
from components.report import html
from components.report.sections.measures import ReliabilityBin
from components.report.sections.training import training_section
from components.report.summary import Summary, evaluation_section
from tests.components.report.test_report import SECTIONS, _evaluation, _Page, _summary, _training, charts_of


def points(counts: list[int], gap: float = 0.0) -> list[dict[str, Any]]:
    """Return bins with these numbers of predictions, whose share of correct ones is `gap` below the probability."""
    return [
        {
            "low": low,
            "high": high,
            "count": count,
            "confidence": (low + high) / 2 if count else None,
            "share_correct": max(0.0, (low + high) / 2 - gap) if count else None,
        }
        for (low, high), count in zip(BINS, counts, strict=True)
    ]


COUNTS = [9_000, 800, 70, 6, *range(500, 590, 10)]


def summary() -> Summary:
    evaluation = {**_evaluation(), "reliability": points(COUNTS, 0.01)}
    for measured in (evaluation["metrics"], *evaluation["slices"]):
        measured |= {"ece": 0.0123, "ece_confident": 0.0234}
    before = {"nll": 4.71, "ece": 0.0812, "ece_confident": 0.0911, "reliability": points(COUNTS, 0.08)}
    after = {"nll": 4.69, "ece": 0.0112, "ece_confident": 0.0211, "reliability": points(COUNTS, 0.01)}
    training = {**_training(), "label_calibration": {"temperature": 1.274, "before": before, "after": after}}
    return _summary(**evaluation_section(evaluation), training=training_section(training))


def test_the_page_shows_the_diagram_before_and_after_the_calibration_and_on_the_test_split() -> None:
    rendered = html.render(summary(), SECTIONS)
    page = _Page(rendered)
    assert page.open == []
    assert charts_of(rendered)[2:] == ["calibration-confident", "calibration-rest"]
    for text in (
        "0.012 on the test split, and 0.023 for predictions from p = 0.1",
        "A temperature of 1.27, fitted on 14,736 labels of the eval split",
        "the ECE was 0.081 before and is 0.011 after; the nll was 4.7100 and is 4.6900 nats",
        "Predictions from p = 0.1 33.0% of the predictions",
        "Predictions below p = 0.1 67.0% of the predictions",
        "eval split, before calibration 0.01 to 0.02 800 0.015 0.000",
        "test split, after calibration 0.01 to 0.02 800 0.015 0.005",
        "ECE mean gap",
    ):
        assert text in page.text, text


def test_the_summary_has_the_points_and_a_run_without_them_has_no_diagram() -> None:
    found = json.loads(summary().model_dump_json())
    assert found["reliability"] == points(COUNTS, 0.01)
    assert found["metrics"]["ece"] == 0.0123
    assert found["training"]["label_calibration"]["temperature"] == 1.274
    assert Summary.model_validate(found) == summary()
    without = json.loads(_summary().model_dump_json())
    assert "reliability" not in without
    assert "label_calibration" not in without["training"]
    assert without["baselines"]["trigram"]["ece"] is None
    assert "Calibration" not in _Page(html.render(_summary(), SECTIONS)).text


def test_the_best_of_one_is_not_marked() -> None:
    rows = {row["name"]: row["best"] for row in html.comparison(summary())}
    assert "ece" not in rows["this model"]


def test_predictions_below_the_least_confident_probability_have_a_chart_of_their_own() -> None:
    low = summary().model_copy(update={"training": None, "reliability": _bins([5, *[0] * (len(BINS) - 1)])})
    (chart,) = calibration(low)
    assert chart.title == f"Predictions below p = {CONFIDENT}"
    assert chart.note == "100.0% of the predictions on the test split, after calibration"
    assert [row["count"] for row in chart.rows] == [5, 0, 0, 0]


def test_the_charts_have_each_bin_of_each_series() -> None:
    confident, rest = calibration(summary())
    assert len(confident.rows) + len(rest.rows) == 3 * len(BINS)
    assert {row["series"] for row in rest.rows if row["last"]} == {"test split, after calibration"}
    assert [bin["low"] for bin in confident.rows][:3] == [0.1, 0.2, 0.3]


def _bins(counts: list[int]) -> list[ReliabilityBin]:
    return [ReliabilityBin.model_validate(point) for point in points(counts)]
