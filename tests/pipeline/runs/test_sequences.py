"""Tests of whole runs on sequences, up to the answers of the pushed model."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.pipeline.conftest import Bigvocab
from tests.pipeline.data_sets import items_configuration, text_configuration
from tests.pipeline.whole_runs import answers, check, run, summary

pytestmark = pytest.mark.slow


def test_a_folder_of_texts(bigvocab: Bigvocab, tmp_path: Path) -> None:
    file = text_configuration(tmp_path)
    # Of the three passes, two would only add time: the mixture counts n-grams beside the model.
    found = check(file, run(bigvocab, file, "--set", "trainer.epochs=1"))
    assert found["defaults"]["reason"] == "a mixture with counts of n-grams for words"
    assert yaml.safe_load(found["defaults"]["pinned"]) == {"trainer": {"head": {"mixture": "ngrams"}}}
    trainer = next(node for node in summary(file)["nodes"] if node["name"] == "Trainer")
    assert trainer["cpu_seconds"] > 0
    nodes = {node["name"]: node["cached"] for node in summary(file)["nodes"]}
    assert nodes["ExampleGen"], "`bigvocab schema` has already read the data"
    assert nodes["StatisticsGen"]
    result = bigvocab("predict", "the united", "the american", "--top", "5", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert re.search(r"the united\n  states +0\.\d+", result.stdout)


def test_items_in_json_lines(bigvocab: Bigvocab, tmp_path: Path) -> None:
    file = items_configuration(tmp_path)
    found = check(file, run(bigvocab, file))
    assert set(found["baselines"]) == {"popular", "bigram", "trigram", "cooccurrence", "history"}
    (first,) = answers(bigvocab, file, [{"items": ["families", "made"]}])
    assert first[0]["label"] > "made"
    # The statistics say that these are items, which have one table for inputs and classes.
    assert "one table for inputs and classes" in found["defaults"]["reason"]
    chosen = yaml.safe_load(found["defaults"]["pinned"])
    assert chosen["vocabulary"] == {"shared": True}
    assert chosen["trainer"]["model"] == {"kind": "session", "tie": True}
    assert chosen["trainer"]["head"] == {
        "similarity": "cosine",
        "mixture": {"kind": "ngrams", "cache": 50},
    }
    assert found["vocabularies"]["inputs"]["size"] == found["vocabularies"]["labels"]["size"]
