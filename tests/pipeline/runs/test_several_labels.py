"""Test of a whole run on rows with several labels, whose configuration does not say so."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.pipeline.conftest import Bigvocab
from tests.pipeline.whole_runs import answers, check, evaluated_alike, run, summary

pytestmark = pytest.mark.slow
TOPICS, KINDS = 9, 3


@pytest.fixture(scope="module")
def tagged(bigvocab: Bigvocab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the pipeline on notes with one or two tags: the topic and, if a word says so, its kind."""
    folder, rng = tmp_path_factory.mktemp("tagged"), random.Random(0)
    with (folder / "notes.jsonl").open("w") as file:
        for number in range(1_200):
            topic = rng.randrange(TOPICS)
            words, tags = [f"word{topic}", f"noise{rng.randrange(40)}"], [f"topic{topic}"]
            if topic % 2:
                words, tags = [*words, "special"], [*tags, f"kind{topic % KINDS}"]
            rng.shuffle(words)
            file.write(json.dumps({"text": f"note {number} {' '.join(words)}", "tags": tags}) + "\n")
    configuration = folder / "notes.yaml"
    configuration.write_text(
        """\
name: notes
data:
  shape: labelled
  source: {kind: jsonl, path: notes.jsonl}
  inputs: [text]
  label: tags
trainer:
  epochs: 4
  batch: 64
  learning_rate: 0.02
  model: {kind: shared_projection, embedding: 8, projection: 16, hidden: 32, ngrams: 1, num_heads: 0, context: 16}
"""
    )
    result = run(bigvocab, configuration)
    check(configuration, result)
    return configuration


def test_a_list_of_labels_is_learned_as_several_labels(tagged: Path, bigvocab: Bigvocab) -> None:
    found = summary(tagged)
    assert sum(of["rows"] for of in found["examples"].values()) == 1_200
    # A row with two labels counts once, so that the most probable class alone cannot find all labels.
    assert 0.6 < found["metrics"]["recall_at_1"] < 0.9
    assert found["metrics"]["recall_at_5"] > 0.95
    rows = [{"text": "note 3 noise2 word1 special"}, {"text": "note 8 word4 noise7"}]
    first, second = answers(bigvocab, tagged, rows)
    assert {label["label"] for label in first[:2]} == {"topic1", "kind1"}
    assert second[0]["label"] == "topic4"
    chosen = answers(bigvocab, tagged, rows, "--chosen")
    assert [{label["label"] for label in answer} for answer in chosen] == [{"topic1", "kind1"}, {"topic4"}]


def test_the_pushed_model_has_the_same_figures_on_the_test_rows(tagged: Path, bigvocab: Bigvocab) -> None:
    evaluated_alike(bigvocab, tagged)
