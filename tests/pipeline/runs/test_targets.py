"""Tests of whole runs with a number as the label, or with several targets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import planted
from tests.pipeline.conftest import Bigvocab
from tests.pipeline.data_sets import outputs_configuration, years_configuration
from tests.pipeline.whole_runs import answers, check, evaluated_alike, run, summary

pytestmark = pytest.mark.slow


def test_a_number_as_the_label(bigvocab: Bigvocab, tmp_path: Path) -> None:
    file = years_configuration(tmp_path)
    result = run(bigvocab, file)
    assert result.returncode == 0, result.stdout + result.stderr
    found = summary(file)
    assert (found["blessed"], found["servable"], found["pushed"]) == (True, True, True)
    assert found["metrics"]["rmse"] < found["baselines"]["mean"]["rmse"]
    assert found["targets"]["speaker"]["accuracy"] > 0.5
    assert {entry["value"] for entry in found["slices"]} == {"early speaker", "late speaker"}
    early, late = answers(bigvocab, file, [{"text": "the subject of slavery"}, {"text": "jobs and health care"}])
    assert 1700 < early["value"] < late["value"] < 2100
    assert early["speaker"]["label"] in ("early speaker", "late speaker")
    evaluated_alike(bigvocab, file)


def test_several_outputs(bigvocab: Bigvocab, tmp_path: Path) -> None:
    file = outputs_configuration(tmp_path)
    result = run(bigvocab, file, environment=planted.ENVIRONMENT)
    found = check(file, result)
    assert planted.found_in(tmp_path, {"output": result.stdout + result.stderr}) == []
    assert set(found["targets"]) == {"shop", "price"}
    assert found["targets"]["shop"]["count"] == found["targets"]["price"]["count"] == found["metrics"]["count"]
    (first,) = answers(bigvocab, file, [{"items": ["the", "united"]}], "--top", "3")
    assert first["labels"][0]["label"] == "states"
    assert first["shop"]["label"].startswith("shop ")
    assert 15 < first["price"] < 30, "in the column's units"
    evaluated_alike(bigvocab, file)
