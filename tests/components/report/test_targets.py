"""Tests of summary and page with a number as the label, and with further targets."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from components.report import html
from components.report.sections.measures import ClassTarget, NumberMetrics, NumberTarget
from components.report.sections.training import training_section
from components.report.summary import Summary, evaluation_section
from tests.components.report.test_report import SECTIONS, _evaluation, _Page, _summary, _training

CLASS = {"accuracy": 0.5231, "nll": 1.154, "count": 28_630.0, "known": 28_000.0}
NUMBER = {"rmse": 33.5379, "mae": 26.29, "r2": 0.7018, "count": 327.0}
FURTHER: dict[str, Any] = {
    "targets": {"party": CLASS, "year": NUMBER},
    "target_baselines": {
        "party": {"popular": {**CLASS, "accuracy": 0.4002}},
        "year": {"mean": {**NUMBER, "r2": -0.01}},
    },
}


def several(**changes: Any) -> Summary:
    """Return a summary with a label of the vocabulary and two further targets."""
    evaluation = _evaluation()
    evaluation["slices"] = [{**entry, **FURTHER} for entry in evaluation["slices"]]
    training = _training()
    for entry in training["validations"]:
        entry |= {"party_accuracy": 0.561, "year_rmse": math.nan}
    return _summary(**evaluation_section({**evaluation, **FURTHER, **changes}), training=training_section(training))


def number() -> Summary:
    """Return a summary with a number as the label."""
    evaluation: dict[str, Any] = {
        "metrics": NUMBER,
        "bands": {},
        "baselines": {"mean": {**NUMBER, "rmse": 61.4773, "r2": math.nan}},
        "baseline_bands": {},
        "previous": None,
        "slices": [{"slice": "party", "value": "Whig", **NUMBER, "baselines": {"mean": {**NUMBER, "rmse": 76.35}}}],
        "blessed": True,
        "failures": [],
    }
    training = _training()
    for entry in training["validations"]:
        entry |= {"rmse": 40.0 - entry["epoch"], "mae": 30.0}
        for name in ("nll", "perplexity", "recall_at_10", "mrr_at_10"):
            del entry[name]
    return _summary(**evaluation_section(evaluation), training=training_section(training), nodes=[])


@pytest.mark.parametrize("summary", [several(), number()], ids=["several", "number"])
def test_a_summary_is_read_back_as_it_was(summary: Summary, tmp_path: Path) -> None:
    summary.write(tmp_path / "summary.json")
    assert Summary.read(tmp_path / "summary.json") == summary


def test_the_keys_of_further_targets_are_stable() -> None:
    found = json.loads(several().model_dump_json())
    assert found["targets"]["party"] == {"accuracy": 0.5231, "nll": 1.154, "count": 28_630, "known": 28_000}
    assert set(found["targets"]["year"]) == {"rmse", "mae", "r2", "count"}
    assert found["target_baselines"]["party"]["popular"]["accuracy"] == 0.4002
    assert found["slices"][0]["targets"]["year"]["rmse"] == 33.5379
    assert found["training"]["history"][0]["targets"] == {"party_accuracy": 0.561, "year_rmse": None}
    assert isinstance(several().targets["party"], ClassTarget)
    assert isinstance(several().targets["year"], NumberTarget)


def test_of_a_number_all_that_is_said_of_classes_is_null() -> None:
    found = json.loads(number().model_dump_json())
    assert isinstance(number().metrics, NumberMetrics)
    assert {name for name, value in found["metrics"].items() if value is None} == {
        "nll", "perplexity", "recall_at_1", "recall_at_5", "recall_at_10", "recall_at_20", "mrr_at_10", "mrr_at_20",
        "ndcg_at_10", "ece", "ece_confident", "known", "oov_rate",
    }  # fmt: skip
    assert (found["metrics"]["rmse"], found["metrics"]["count"]) == (33.5379, 327)
    assert found["baselines"]["mean"]["r2"] is None
    assert found["training"]["history"][2]["rmse"] == 37.0


def test_the_page_of_a_number() -> None:
    text = _Page(html.render(number(), SECTIONS)).text
    assert "rmse 33.54 on 327 test labels, 45.4% below the mean" in text
    assert "Validation rmse" in text
    assert "Whig 327 33.54 76.35" in text
    assert "perplexity" not in text
    assert "recall" not in text


def test_the_page_of_further_targets() -> None:
    text = _Page(html.render(several(previous_targets={"party": {**CLASS, "accuracy": 0.499}}), SECTIONS)).text
    assert "party accuracy share of labels 28,630 0.523 0.400 popular 0.499" in text
    assert "year rmse in its own units 327 33.54 33.54 mean –" in text
    assert "recall@10 0.537 on 115,574 test labels" in text
    assert "0.561 –" in text, "a row of the validations"
