"""Tests of the keys for weights in a configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config.errors import ConfigurationError
from pipeline.config.loading import load

PRICES = """\
name: prices
data:
  shape: labelled
  source: {kind: csv, path: rows.csv}
  inputs: [title]
  label: price
  label_kind: number
  weight: price
trainer:
  class_weights: {power: 1.5}
"""


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text(PRICES)
    with pytest.raises(ConfigurationError) as error:
        load(str(tmp_path / "prices.yaml"))
    assert "data.weight: column 'price' is also the label" in str(error.value)
    assert "prices.yaml:10: trainer.class_weights.power" in str(error.value)


def test_a_number_has_no_classes_to_weigh(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text(PRICES.replace("weight: price", "weight: trust").replace("1.5", "0.5"))
    with pytest.raises(ConfigurationError, match="trainer.class_weights: the label is a number"):
        load(str(tmp_path / "prices.yaml"))


def test_no_weights_by_default() -> None:
    config = load()
    assert (config.data.weight, config.trainer.class_weights) == (None, None)
