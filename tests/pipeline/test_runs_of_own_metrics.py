"""Tests of a whole run with a user's own metric, as documented."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
import yaml

from components.code import fingerprint
from components.metrics.own import own_metric
from pipeline.config.loading import load
from pipeline.paths import Paths
from tests import documents
from tests.forks import ROOT
from tests.pipeline.conftest import Bigvocab
from tests.pipeline.data_sets import csv_configuration
from tests.pipeline.whole_runs import summary


def output(bigvocab: Bigvocab, folder: Path, *arguments: str) -> str:
    """Run the command with the user's package on the path, and return its output."""
    path = {"PYTHONPATH": f"{ROOT}:{folder.parent / 'packages'}"}
    result = bigvocab(*arguments, folder=folder, environment=path)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def written(folder: Path) -> tuple[Path, Path]:
    """Write the user's module and a configuration that names its metric."""
    packages, work = folder / "packages", folder / "work"
    packages.mkdir()
    work.mkdir()
    documents.written(packages, "my_package/metrics.py")
    documents.written(work, "metrics.yaml")
    file = csv_configuration(work, rows=600)
    tree: dict[str, Any] = yaml.safe_load(file.read_text())
    tree["trainer"]["model"] = {"context": 4}  # The light encoder ranks the few test labels within ten or beyond fifty.
    tree["evaluation"] |= yaml.safe_load((work / "metrics.yaml").read_text())["evaluation"] | {"beat": []}
    file.write_text(yaml.safe_dump(tree))
    return packages / "my_package" / "metrics.py", file


@pytest.mark.slow
def test_the_metric_of_the_documentation_is_everywhere(bigvocab: Bigvocab, tmp_path: Path) -> None:
    _, file = written(tmp_path)
    folder = file.parent
    output(bigvocab, folder, "schema", file.name)
    printed = output(bigvocab, folder, "run", file.name)
    assert "recall@50" in printed

    found = summary(file)
    for metrics in (
        found["metrics"],
        found["bands"]["head"],
        found["baselines"]["popular"],
        found["baseline_bands"]["bigram"]["head"],
        found["slices"][0]["metrics"],
        found["training"]["history"][-1],
    ):
        assert 0 < metrics["recall_at_10"] < metrics["recall_at_50"] <= 1
    assert [metric["label"] for metric in found["own_metrics"]] == ["recall@50"]
    assert found["training"]["history"][0].get("targets", {}) == {}
    runs = folder / "runs" / file.stem
    assert ">recall@50<" in (runs / "report" / "report.html").read_text()

    (baselines,) = runs.glob("**/baselines.json")
    assert json.loads(baselines.read_text())["metrics"]["popular"]["recall_at_50"] > 0
    (version,) = (runs / "serving").iterdir()
    sums = tf.saved_model.load(str(version)).signatures["eval"].structured_outputs
    assert {"hit_50", "hit_50_head", "hit_50_torso", "hit_50_tail"} <= set(sums)


def test_the_nodes_that_compute_with_it_run_again_when_its_source_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.dag import build  # Imported here, because TFX takes seconds to load.

    module, file = written(tmp_path)
    file.with_suffix(".schema.pbtxt").touch()
    monkeypatch.syspath_prepend(module.parents[1])
    own_metric.cache_clear()

    def keys() -> dict[str, str]:
        fingerprint.cache_clear()
        nodes = build(load(str(file)), Paths.of(tmp_path / "runs")).components
        return {node.id: str(node.exec_properties) for node in nodes}

    before = keys()
    assert keys() == before
    module.write_text(module.read_text().replace("rank <= 50", "rank <= 60"))
    after = keys()
    assert {name for name in before if after[name] != before[name]} == {"Baselines", "Trainer", "Evaluator"}
    own_metric.cache_clear()
    fingerprint.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_package"]:
        del sys.modules[name]
