"""Test of a whole run on weighted rows, most of which have a wrong label and the weight 0."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from tests.pipeline.conftest import Bigvocab
from tests.pipeline.whole_runs import answers, evaluated_alike, run, summary

pytestmark = pytest.mark.slow
TOPICS = 8


@pytest.fixture(scope="module")
def weighted(bigvocab: Bigvocab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the pipeline on notes whose label is that of their topic, but of the next topic in rows with weight 0."""
    folder, rng = tmp_path_factory.mktemp("weighted"), random.Random(0)
    with (folder / "notes.jsonl").open("w") as file:
        for number in range(900):
            topic = min(rng.randrange(TOPICS), rng.randrange(TOPICS))
            wrong = rng.random() < 0.6
            row = {
                "text": f"note {number} word{topic} noise{rng.randrange(30)}",
                "topic": f"topic{(topic + wrong) % TOPICS}",
                "trust": 0 if wrong else rng.choice([0.5, 1.0, None, 3.0]),
            }
            file.write(json.dumps(row) + "\n")
        file.write(json.dumps({"text": "note", "topic": "topic1", "trust": -1}) + "\n")
    configuration = folder / "notes.yaml"
    configuration.write_text(
        """\
name: notes
data:
  shape: labelled
  source: {kind: jsonl, path: notes.jsonl}
  inputs: [text]
  label: topic
  weight: trust
trainer:
  epochs: 3
  batch: 32
  learning_rate: 0.03
  class_weights: {power: 0.5}
  head: {negatives: 4, mixture: none}
  model: {kind: shared_projection, embedding: 8, projection: 8, hidden: 16, ngrams: 1, num_heads: 0, context: 8}
evaluation: {beat: [], bands: {head: 2, torso: 5}}
"""
    )
    result = run(bigvocab, configuration)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "By weight (column 'trust'):" in result.stdout
    return configuration


def test_the_metrics_by_weight_are_those_of_the_predictions(weighted: Path, bigvocab: Bigvocab) -> None:
    found = summary(weighted)
    assert found["pushed"]
    assert found["unused"]["bad"] == {"trust: not a weight": 1}
    rows: list[dict[str, Any]] = []
    (file,) = (weighted.parent / "runs/notes/artifacts/ExampleGen").glob("examples/*/Split-test/*.gz")
    for record in tf.data.TFRecordDataset(str(file), "GZIP").as_numpy_iterator():
        features = tf.train.Example.FromString(record).features.feature
        words = b" ".join(features["text"].bytes_list.value).decode()
        (topic,), (weight,) = features["topic"].bytes_list.value, features["trust"].float_list.value
        rows.append({"text": words, "topic": topic.decode(), "weight": weight})
    predicted = answers(bigvocab, weighted, [{"text": row["text"]} for row in rows], "--top", str(TOPICS))
    ranks, nlls = [], []
    for row, answer in zip(rows, predicted, strict=True):
        labels = [label["label"] for label in answer]
        ranks.append(1 + labels.index(row["topic"]))
        nlls.append(-math.log(answer[ranks[-1] - 1]["probability"]))
    for weights, metrics in (
        ([1.0] * len(rows), found["metrics"]),
        ([r["weight"] for r in rows], found["weighted"]["metrics"]),
    ):
        total = sum(weights)
        assert metrics["count"] == pytest.approx(total)
        for at in (1, 5):
            hits = sum(weight * (rank <= at) for weight, rank in zip(weights, ranks, strict=True))
            assert metrics[f"recall_at_{at}"] == pytest.approx(hits / total, rel=1e-5)
        nll = sum(weight * each for weight, each in zip(weights, nlls, strict=True)) / total
        assert metrics["nll"] == pytest.approx(nll, rel=1e-3)


def test_rows_with_weight_0_do_no_harm(weighted: Path) -> None:
    found = summary(weighted)
    assert found["weighted"]["column"] == "trust"
    assert found["weighted"]["metrics"]["recall_at_1"] > 0.95
    assert found["metrics"]["recall_at_1"] < 0.6
    assert found["weighted"]["metrics"]["recall_at_1"] > found["weighted"]["baselines"]["bigram"]["recall_at_1"]
    best = found["training"]["history"][found["training"]["best"]]
    assert best["recall_at_10_weighted"] >= best["recall_at_10"]
    page = (weighted.parent / "runs/notes/report/report.html").read_text()
    assert "By weight: each label counts by the column <strong>trust</strong>" in page


def test_the_pushed_model_has_the_same_figures_on_the_test_rows(weighted: Path, bigvocab: Bigvocab) -> None:
    evaluated_alike(bigvocab, weighted)
    measured = json.loads((weighted.parent / "measured.json").read_text())
    expected = summary(weighted)["weighted"]
    assert measured["weighted"]["metrics"] == pytest.approx(expected["metrics"], rel=1e-5)
