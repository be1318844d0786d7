"""Tests of `run_fn` as a whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from components.metrics.reliability import BINS, reliability
from components.metrics.targets import label_target
from components.training.loop import callbacks
from tests.components.training.conftest import SMALL, Corpus, serialize


def training(out: Path) -> dict:
    return json.loads((out / "run" / "training.json").read_text())


def sums(out: Path, corpus: Corpus) -> dict[str, np.ndarray]:
    """Return the answer of the exported model to the eval split."""
    served = tf.saved_model.load(str(out / "model")).signatures["eval"]
    answer = served(examples=tf.constant([serialize(row) for row in corpus.rows]))
    return {name: value.numpy() for name, value in answer.items()}


@pytest.mark.slow
def test_training_learns_reports_and_exports(sequence, run, tmp_path):
    run(sequence.fn_args(tmp_path, {"epochs": 4, "model": SMALL["model"]}))
    about = training(tmp_path)
    validations = about["validations"]
    assert [round(v["epoch"]) for v in validations] == [1, 2, 3, 4]
    assert validations[-1]["train_loss"] < validations[0]["train_loss"]
    assert about["best"] == min(validations, key=lambda v: v["nll"])
    assert not about["resumed"]
    for curve, names in (
        ("train", {"training/loss", "training/learning_rate", "training/examples_per_second"}),
        ("validation", {f"validation/{name}" for name in ("nll", "perplexity", "recall_at_10", "mrr_at_10")}),
    ):
        events = EventAccumulator(str(tmp_path / "run" / curve)).Reload()
        assert set(events.Tags()["tensors"]) == names
        assert all(len(events.Tensors(name)) >= 4 for name in names), "a short training has a point a validation"
    answer = tf.saved_model.load(str(tmp_path / "model")).signatures["serving_default"](
        examples=tf.constant([serialize(sequence.rows[0])])
    )
    assert answer["labels"].shape == (1, 5)
    assert not any((tmp_path / "checkpoints").iterdir()), "checkpoints go when the export is written"


@pytest.mark.slow
def test_labelled_rows_train(labelled, run, tmp_path):
    run(labelled.fn_args(tmp_path, {"epochs": 1}))
    assert training(tmp_path)["plan"]["windows"] > 64


class Interrupted(Exception):
    pass


def interrupt_after(monkeypatch: pytest.MonkeyPatch, steps: int) -> None:
    """Interrupt the training after a number of steps."""
    original = callbacks.ProgressLine.on_train_batch_end

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.optimizer.iterations) == steps:
            raise Interrupted
        original(self, batch, logs)

    monkeypatch.setattr(callbacks.ProgressLine, "on_train_batch_end", on_train_batch_end)


# The learning rate is too high for long progress, and makes the model certain of what it has seen.
STOPPED_EARLY = {"epochs": 12, "learning_rate": 0.2, "patience": 1, "warmup": 0.0}


@pytest.fixture(scope="module")
def whole(sequence: Corpus, run, tmp_path_factory) -> Path:
    """Return the folder of a training that stops early."""
    folder = tmp_path_factory.mktemp("whole")
    run(sequence.fn_args(folder, STOPPED_EARLY))
    return folder


@pytest.fixture(scope="module")
def interrupted(whole: Path, sequence: Corpus, run, tmp_path_factory) -> Path:
    """Return the folder of the same training, interrupted between its first two validations of a whole epoch."""
    folder = tmp_path_factory.mktemp("interrupted")
    steps = training(whole)["plan"]["steps_per_pass"]
    with pytest.MonkeyPatch.context() as patch:
        interrupt_after(patch, steps + steps // 2)
        with pytest.raises(Interrupted):
            run(sequence.fn_args(folder, STOPPED_EARLY))
    assert any((folder / "checkpoints").iterdir())
    return folder


@pytest.mark.slow
def test_an_interrupted_training_ends_where_an_uninterrupted_one_does(
    whole: Path, interrupted: Path, sequence: Corpus, run, tmp_path
):
    parts = shutil.copytree(interrupted, tmp_path / "parts")
    run(sequence.fn_args(parts, STOPPED_EARLY))
    assert training(parts)["resumed"]
    a, b = (training(out)["validations"] for out in (whole, parts))
    assert [v["step"] for v in a] == [v["step"] for v in b]
    np.testing.assert_allclose([v["nll"] for v in a], [v["nll"] for v in b], rtol=1e-4)
    np.testing.assert_allclose(sums(whole, sequence)["nll"], sums(parts, sequence)["nll"], rtol=1e-3)


@pytest.mark.slow
def test_another_configuration_does_not_take_up_its_checkpoints(interrupted: Path, sequence, run, tmp_path, no_export):
    parts = shutil.copytree(interrupted, tmp_path / "parts")
    run(sequence.fn_args(parts, {"epochs": 1, "learning_rate": 0.02}))
    assert not training(parts)["resumed"]


@pytest.mark.slow
def test_training_stops_early_and_keeps_the_best_weights(whole: Path, sequence: Corpus):
    about = training(whole)
    assert about["stopped_early"]
    scores = [v["perplexity"] / v["recall_at_10"] for v in about["validations"]]
    best = scores.index(min(scores))
    assert best == len(scores) - 2
    served = sums(whole, sequence)
    calibration = about["label_calibration"]
    wanted = about["validations"][best]["nll"]
    np.testing.assert_allclose(calibration["before"]["nll"], wanted, rtol=1e-4)
    np.testing.assert_allclose(served["nll"].sum() / served["known"].sum(), calibration["after"]["nll"], rtol=1e-4)


@pytest.mark.slow
def test_the_export_has_the_temperature_of_the_eval_split(whole: Path, sequence: Corpus):
    calibration = training(whole)["label_calibration"]
    before, after = calibration["before"], calibration["after"]
    assert calibration["temperature"] > 1
    assert after["nll"] < before["nll"]
    assert after["ece"] < before["ece"]
    served = {name: value.sum(dtype=np.float64) for name, value in sums(whole, sequence).items()}
    assert served["nll"] / served["known"] == pytest.approx(after["nll"], rel=1e-4)
    found = label_target(sequence.data)
    measured = found.measured(np.array([served[name] for name in found.sum_names]))
    assert measured["ece"] == pytest.approx(after["ece"], abs=1e-5)
    points = reliability(served)
    assert [point["count"] for point in points] == [point["count"] for point in after["reliability"]]
    assert sum(point["count"] for point in points) == served["count"]
    # The largest probability of an answer is the confidence that `eval` measures.
    model = tf.saved_model.load(str(whole / "model"))
    row = {**sequence.rows[0], "words": sequence.rows[0]["words"][:2]}  # One label, after the first word.
    asked = {**row, "words": row["words"][:1]}
    answer = model.signatures["serving_default"](examples=tf.constant([serialize(asked)]))
    evaluated = model.signatures["eval"](examples=tf.constant([serialize(row)]))
    confidence = sum(float(evaluated[f"top_confidence_{place}"][0]) for place in range(len(BINS)))
    assert confidence == pytest.approx(float(answer["probabilities"][0, 0]), rel=1e-5)


def test_no_files_is_said_clearly(sequence, run, tmp_path):
    fn_args = sequence.fn_args(tmp_path)
    fn_args.train_files = [str(tmp_path / "nothing*")]
    with pytest.raises(ValueError, match="no file matches .*nothing"):
        run(fn_args)


@pytest.mark.slow
def test_nothing_but_tensorflow_names_files(sequence, run, tmp_path, monkeypatch):
    """Check that an object store works, also on resume and in a warm start.

    TensorFlow's in-memory file system replaces it.
    """
    # A checkpoint after every step, and a large batch for few steps.
    fn_args = sequence.fn_args(tmp_path, {"epochs": 1, "batch": 256, "checkpoint_seconds": 1e-6})
    fn_args.serving_model_dir, fn_args.model_run_dir = "ram://store/Trainer/1/model", "ram://store/Trainer/run"
    fn_args.custom_config["checkpoints"] = "ram://store/checkpoints"
    with monkeypatch.context() as patch:
        interrupt_after(patch, 20)
        with pytest.raises(Interrupted):
            run(fn_args)
    run(fn_args)
    with tf.io.gfile.GFile("ram://store/Trainer/run/training.json") as file:
        assert json.load(file)["resumed"]
    assert tf.saved_model.load("ram://store/Trainer/1/model").signatures["predict"]
    fn_args.base_model, fn_args.model_run_dir = fn_args.serving_model_dir, "ram://store/Trainer/second"
    fn_args.serving_model_dir = "ram://store/Trainer/2/model"
    run(fn_args)
    with tf.io.gfile.GFile("ram://store/Trainer/second/training.json") as file:
        assert json.load(file)["warm_start"]["taken"] > 8
    assert not any(tmp_path.iterdir())
