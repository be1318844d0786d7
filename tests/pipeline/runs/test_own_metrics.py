"""Test of the cache keys of a run with a user's own metric. `test_extending` shows its figures."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.code import fingerprint
from components.metrics.own import own_metric
from pipeline.config.loading import load
from pipeline.paths import Paths
from tests import documents
from tests.pipeline.data_sets import csv_configuration


def written(folder: Path) -> tuple[Path, Path]:
    """Write the user's module and a configuration that names its metric."""
    packages, work = folder / "packages", folder / "work"
    packages.mkdir()
    work.mkdir()
    documents.written(packages, "my_package/metrics.py")
    documents.written(work, "metrics.yaml")
    file = csv_configuration(work, rows=20)
    tree: dict[str, Any] = yaml.safe_load(file.read_text())
    tree["evaluation"] |= yaml.safe_load((work / "metrics.yaml").read_text())["evaluation"]
    file.write_text(yaml.safe_dump(tree))
    return packages / "my_package" / "metrics.py", file


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
