"""Test of a training on whole rows whose tokens have weights, from the raw rows to the exported model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from components.ingest.spec import DataSpec
from components.metrics.definitions import WEIGHTED
from components.metrics.targets import label_target
from components.training.history import read_history
from tests.components.training.conftest import Corpus, Row, make_corpus, sentences, serialize
from tests.once import Once

DATA = DataSpec.model_validate(
    {"shape": "sequence", "source": {"kind": "sotu"}, "inputs": ["words"], "tokenizer": "none", "weight": "w"}
)
MODEL = {"kind": "recurrent", "context": 12, "embedding": 6, "projection": 4, "units": 8}


def weighted() -> list[Row]:
    """Return sentences whose short words have the weight 0, and some of whose rows lack the weights."""
    rows: list[Row] = []
    for number, sentence in enumerate(sentences()[:160]):
        words = [word for word in sentence["words"] if isinstance(word, bytes)]
        weights = [0.0 if len(word) < 3 else len(word) / 4 for word in words]
        rows.append({"words": words, "w": [] if number % 16 == 8 else weights})
    return rows


@pytest.fixture(scope="module")
def corpus(once: Once) -> Corpus:
    folder = once.folder("corpus-weights", lambda folder: make_corpus(DATA, weighted(), folder, ("w",)))
    return Corpus(DATA, folder, weighted()[::8])


@pytest.mark.slow
def test_the_export_measures_by_the_weights_of_the_training(corpus: Corpus, run: Any, tmp_path: Path) -> None:
    run(corpus.fn_args(tmp_path, {"model": MODEL, "head": {"negatives": 64, "mixture": None}, "epochs": 1}))
    about = read_history(str(tmp_path / "run"))
    assert about["examples"] == "rows"
    assert {"nll", "nll_weighted", "recall_at_10_weighted"} <= set(about["measured"]) & set(about["best"])
    model = tf.saved_model.load(str(tmp_path / "model"))
    examples = tf.constant([serialize(row) for row in corpus.rows])
    sums = {name: value.numpy() for name, value in model.signatures["eval"](examples=examples).items()}
    expected = [sum(map(float, row["w"][1:])) if row["w"] else len(row["words"]) - 1 for row in corpus.rows]
    np.testing.assert_allclose(sums["count_weighted"], expected, rtol=1e-5)
    target = label_target(DATA)
    measured = target.measured(np.array([sums[name].sum(dtype=np.float64) for name in target.sum_names]), WEIGHTED)
    # The eval split is the sample of validation and calibration.
    calibration = about["label_calibration"]
    assert measured["nll"] == pytest.approx(calibration["after"]["nll"], rel=1e-4)
    assert measured["ece"] == pytest.approx(calibration["after"]["ece"], abs=1e-5)
    assert about["best"]["nll_weighted"] == pytest.approx(calibration["before"]["nll"], rel=1e-4)
    assert about["best"]["nll_weighted"] != pytest.approx(about["best"]["nll"], rel=1e-3)
    assert measured["recall_at_10"] == pytest.approx(about["best"]["recall_at_10_weighted"], rel=1e-4)
    asked = model.signatures["predict"](words=tf.constant([["the", "united"]]))
    assert asked["labels"].shape == (1, 5)
