"""Tests of several outputs on one encoder."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.training.data.layout import Layout
from components.training.data.moments import Standard
from components.training.loop.validation import Validator
from components.training.model import VocabularyClassifier, build_model
from components.training.spec import TrainerSpec

TRAINER: dict[str, Any] = {
    "model": {"context": 3, "embedding": 4, "projection": 4, "hidden": 8, "dropout": 0.0},
    "head": {"negatives": 64},
    "target_weights": {"year": 0.5, "party": 2.0},
}
SEVERAL = Layout("sequence", 3, 50, (), {}, target_numbers=("year",), target_counts={"party": (8, 4, 2)})
REGRESSION = Layout("labelled", 3, 50, (), {}, label_kind="number")
MOMENTS = {"label": Standard(10.0, 2.0), "year": Standard(1900.0, 50.0)}


def made(layout: Layout, **trainer: Any) -> VocabularyClassifier:
    model = build_model(TrainerSpec.model_validate({**TRAINER, **trainer}), layout, [9, 8, 7, 6, 5])
    model.standardise(MOMENTS)
    model.encoder.adapt(lambda length: [batch(layout)[0]["input_ids"][:, -length:]])
    model.compile_with(keras.optimizers.SGD(0.1))
    return model


def batch(layout: Layout, rows: int = 32) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 51, (rows, 3)).astype(np.int32)
    if layout.label_kind == "number":
        return {"input_ids": tf.constant(ids)}, {"label": tf.constant(ids[:, -1] / 5.0, tf.float32)}
    targets = {
        "label": tf.constant(ids[:, -1] % 5),
        "year": tf.constant(np.where(np.arange(rows) % 4 == 0, math.nan, 1850.0 + ids[:, 0]), tf.float32),
        "party": tf.constant(np.where(np.arange(rows) % 3 == 0, -1, ids[:, 1] % 3), tf.int32),
    }
    return {"input_ids": tf.constant(ids)}, targets


def fitted(model: VocabularyClassifier, data: Any, epochs: int) -> dict[str, list[float]]:
    dataset = tf.data.Dataset.from_tensors(data)
    return model.fit(dataset, epochs=epochs, verbose=0, shuffle=False).history


def test_the_loss_is_the_labels_and_the_weighted_others_and_fit_reports_each():
    model, data = made(SEVERAL), batch(SEVERAL)
    hidden = model.encoder(data[0])
    each = {name: float(tf.reduce_mean(output.row_losses(hidden, data[1][name], tf.constant([1, 2]))))
            for name, output in model.answers.items()}  # fmt: skip
    history = fitted(model, data, 1)
    assert set(history) == {"loss", "label_loss", "year_loss", "party_loss"}
    for name, value in each.items():
        assert history[f"{name}_loss"][0] == pytest.approx(value, rel=1e-4)
    assert history["loss"][0] == pytest.approx(each["label"] + 0.5 * each["year"] + 2.0 * each["party"], rel=1e-4)


def test_every_output_learns():
    history = fitted(made(SEVERAL), batch(SEVERAL), 30)
    for name, losses in history.items():
        assert losses[-1] < 0.9 * losses[0], name


def test_missing_targets_weigh_nothing():
    inputs, targets = batch(SEVERAL)
    missing = {**targets, "year": tf.fill([32], math.nan), "party": tf.fill([32], -1)}
    alone, both = made(SEVERAL), made(SEVERAL, target_weights={"year": 0.0, "party": 0.0})
    fitted(alone, (inputs, missing), 3)
    fitted(both, (inputs, targets), 3)
    for a, b in zip(alone.get_weights(), both.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_a_number_as_the_label_learns():
    model, data = made(REGRESSION), batch(REGRESSION)
    history = fitted(model, data, 60)
    assert set(history) == {"loss"}
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    error = model(data[0]) - data[1]["label"]
    measured = Validator(model, tf.data.Dataset.from_tensors(data), tf.distribute.get_strategy()).measure()
    assert measured == pytest.approx(
        {"rmse": float(tf.sqrt(tf.reduce_mean(error**2))), "mae": float(tf.reduce_mean(tf.abs(error)))}, rel=1e-4
    )


def test_a_validation_tells_the_label_first_and_the_others_by_their_names():
    model, data = made(SEVERAL), batch(SEVERAL)
    validator = Validator(model, tf.data.Dataset.from_tensors(data).repeat(2), tf.distribute.get_strategy())
    measured = validator.measure()
    assert validator.objective == "nll"
    assert validator.score({"nll": 5.0, "recall_at_10": 0.5}) < validator.score({"nll": 4.9, "recall_at_10": 0.4})
    assert validator.score({"nll": 5.0, "recall_at_10": 0.0}) > validator.score({"nll": 4.9, "recall_at_10": 0.0})
    assert list(measured) == [
        "nll", "perplexity", "recall_at_10", "mrr_at_10", "year_rmse", "year_mae", "party_accuracy", "party_nll",
    ]  # fmt: skip
    known = data[1]["party"].numpy() >= 0
    answers = np.argmax(model.answers["party"](model.encoder(data[0])), axis=1)
    assert measured["party_accuracy"] == pytest.approx(np.mean((answers == data[1]["party"]) & known))
    assert set(validator.shown.values()) <= set(measured)


def test_an_update_takes_the_gradients_in_the_optimizers_place():
    class Update:
        def apply(self, gradients: Any) -> None:
            assert len(gradients) == len(model.trainable_variables)

    model, data = made(SEVERAL), batch(SEVERAL)
    before = model.get_weights()
    model.update = Update()
    fitted(model, data, 1)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
