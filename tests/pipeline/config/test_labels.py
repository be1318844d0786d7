"""Tests of the section `labels` of a configuration."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from pipeline.config.errors import ConfigurationError
from pipeline.config.loading import label_faults, load

OWN = """\
name: mine
data:
  shape: labelled
  source: {kind: csv, path: rows.csv}
  inputs: [viewed]
  label: bought
labels:
  file: items.csv
  key: item
  features:
    category: {kind: category}
    price: {kind: number}
"""


def write(folder: Path, text: str = OWN) -> str:
    file = folder / "mine.yaml"
    file.write_text(textwrap.dedent(text), encoding="utf-8")
    return str(file)


def test_the_file_is_relative_to_the_configuration(tmp_path: Path) -> None:
    config = load(write(tmp_path))
    assert config.labels is not None
    assert config.labels.file == str(tmp_path / "items.csv")
    (fault,) = label_faults(config)
    assert "labels.file" in fault
    (tmp_path / "items.csv").write_text("item,category,price\n1,a,2\n")
    assert label_faults(config) == []


def test_faults_of_the_file_are_shown_at_once(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("itm,category\n1,a\n")
    found = label_faults(load(write(tmp_path)))
    assert [fault.split(":")[0] for fault in found] == ["labels.key", "labels.features"]
    assert "did you mean 'itm'?" in found[0]


def test_an_unknown_kind_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"mine.yaml:11: labels.features.category.kind.*did you mean 'catego"):
        load(write(tmp_path, OWN.replace("kind: category", "kind: categroy")))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["data.label_kind=number"], "labels: the label is a number"),
        (["trainer.model={kind: ten_inputs, tie: true}"], "labels: the encoder 'ten_inputs'"),
    ],
)
def test_models_without_room_for_features_are_refused(tmp_path: Path, settings: list[str], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load(write(tmp_path), settings)


def test_no_other_configuration_has_features_of_labels() -> None:
    assert load().labels is None
