"""Tests of runs whose labels have features."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from pipeline.config.loading import load
from pipeline.paths import Paths
from tests.pipeline.conftest import Bigvocab
from tests.pipeline.data_sets import csv_configuration
from tests.pipeline.whole_runs import answers, run, versions


def written(folder: Path, rows: int) -> Path:
    """Write a configuration of rows whose labels are words, with the first letter and the length as features."""
    file = csv_configuration(folder, rows)
    tree = yaml.safe_load(file.read_text())
    features = {"initial": {"kind": "category"}, "length": {"kind": "number"}}
    file.write_text(yaml.safe_dump({**tree, "labels": {"file": "labels.csv", "key": "word", "features": features}}))
    words = sorted({line.rsplit(",", 1)[1] for line in (folder / "rows.csv").read_text().splitlines()[1:]})
    labels(folder / "labels.csv", [word for word in words if word.isalpha()])
    return file


def labels(file: Path, words: list[str]) -> None:
    file.write_text("\n".join(["word,initial,length", *(f"{word},{word[0]},{len(word)}" for word in words)]) + "\n")


def test_only_the_trainer_depends_on_the_contents_of_the_file(tmp_path: Path) -> None:
    from pipeline.dag import build  # Imported here, because TFX takes seconds to load.

    file = written(tmp_path, rows=20)
    file.with_suffix(".schema.pbtxt").touch()

    def keys() -> dict[str, str]:
        nodes = build(load(str(file)), Paths.of(tmp_path / "runs")).components
        return {node.id: str(node.exec_properties) for node in nodes}

    before = keys()
    assert keys() == before
    with (tmp_path / "labels.csv").open("a") as more:
        more.write("zebra,z,5\n")
    after = keys()
    assert {name for name in before if after[name] != before[name]} == {"Trainer"}
    file.write_text(yaml.safe_dump({k: v for k, v in yaml.safe_load(file.read_text()).items() if k != "labels"}))
    without = keys()
    assert {name for name in before if without[name] != before[name]} == {"Trainer"}
    assert "labels" not in json.loads(
        next(
            node for node in build(load(str(file)), Paths.of(tmp_path / "runs")).components if node.id == "Trainer"
        ).exec_properties["custom_config"]
    )


@pytest.mark.slow
def test_a_new_label_is_answered_without_training(bigvocab: Bigvocab, tmp_path: Path) -> None:
    file = written(tmp_path, rows=6_000)
    result = run(bigvocab, file)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "features of" in result.stdout
    (first,) = versions(file)
    labels(tmp_path / "new.csv", ["the", "zebra", "quagga"])
    added = bigvocab("labels", "add", "runs/words", "new.csv", folder=tmp_path)
    assert added.returncode == 0, added.stderr
    assert "Added 2 labels" in added.stdout
    assert len(versions(file)) == 2
    rows = [{"before": "of", "last": "the", "year": 2000.0}, {"before": "we", "last": "will", "year": 2000.0}]
    found = answers(bigvocab, file, rows, "--top", "50")
    assert all(len(answer) == 50 for answer in found)
    again = bigvocab("labels", "add", "runs/words", "new.csv", folder=tmp_path)
    assert again.returncode == 2
    assert "nothing to add" in again.stderr
    assert "Traceback" not in again.stderr
    back = bigvocab("rollback", first, file.name, folder=tmp_path)
    assert back.returncode == 0, back.stderr
