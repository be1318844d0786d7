"""Test of the cache keys of a run whose labels have features. `test_events` makes such a run."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from pipeline.config.loading import load
from pipeline.paths import Paths
from tests.pipeline.data_sets import csv_configuration


def written(folder: Path) -> Path:
    """Write a configuration of rows whose labels are words, with the first letter and the length as features."""
    file = csv_configuration(folder, rows=20)
    tree = yaml.safe_load(file.read_text())
    features = {"initial": {"kind": "category"}, "length": {"kind": "number"}}
    file.write_text(yaml.safe_dump({**tree, "labels": {"file": "labels.csv", "key": "word", "features": features}}))
    words = sorted({line.rsplit(",", 1)[1] for line in (folder / "rows.csv").read_text().splitlines()[1:]})
    lines = (f"{word},{word[0]},{len(word)}\n" for word in words if word.isalpha())
    (folder / "labels.csv").write_text(f"word,initial,length\n{''.join(lines)}")
    return file


def test_only_the_trainer_depends_on_the_contents_of_the_file(tmp_path: Path) -> None:
    from pipeline.dag import build  # Imported here, because TFX takes seconds to load.

    file = written(tmp_path)
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
    # The model card, which the Pusher writes, names the keys of the configuration.
    assert {name for name in before if without[name] != before[name]} == {"Trainer", "Pusher"}
    assert "labels" not in json.loads(
        next(
            node for node in build(load(str(file)), Paths.of(tmp_path / "runs")).components if node.id == "Trainer"
        ).exec_properties["custom_config"]
    )
