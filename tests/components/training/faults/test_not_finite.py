"""Tests of the error of a loss that is not finite."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from components.training.data.layout import LABEL, Batch, Layout
from components.training.faults.guard import BadStep
from components.training.faults.not_finite import NotFinite, not_finite
from components.training.faults.readable import Readable
from components.training.loop.checkpoint import damage, saves
from components.training.model import VocabularyClassifier, build_model
from components.training.rows.cuts import NO_LABEL, TOTAL
from components.training.spec import TrainerSpec
from tests.components.training.conftest import SMALL, Corpus

TOKENS = [f"t{i}" for i in range(10)]
LAYOUT = Layout("sequence", 4, 10, ("column/age",), {})
READABLE = Readable({"inputs": TOKENS, "labels": TOKENS}, LAYOUT)


def model(kind: str) -> VocabularyClassifier:
    sizes = {"units": 8} if kind == "recurrent" else {"hidden": 8}
    of = {"kind": kind, "context": 4, "embedding": 8, "projection": 8, **sizes}
    built = build_model(TrainerSpec.model_validate({**SMALL, "model": of}), LAYOUT, [5] * 10)
    built.encoder.adapt(lambda length: [tf.zeros([1, length], tf.int32)])
    return built


def windows(ages: list[float]) -> tuple[Batch, Batch]:
    ids = [[10, 1, 2, 3], [10, 10, 10, 4], [5, 6, 7, 8]]
    return {"input_ids": tf.constant(ids), "column/age": tf.constant(ages)}, {LABEL: tf.constant([4, 5, 9])}


def rows(ages: list[float]) -> tuple[Batch, Batch]:
    labels = [[1, NO_LABEL, 3], [5, NO_LABEL, NO_LABEL]]
    inputs = {"input_ids": tf.constant([[0, 1, 2], [4, 10, 10]]), "column/age": tf.constant(ages)}
    return inputs, {LABEL: tf.constant(labels), TOTAL: tf.constant([3, 3])}


def error(kind: str, batch: tuple[Batch, Batch], loss: float = math.nan, saved: int | None = 7) -> str:
    return str(not_finite(model(kind), BadStep(11, loss, 0.25), 12, lambda: batch, READABLE, saved))


def test_windows_with_a_loss_that_is_not_finite_are_named():
    text = error("shared_projection", windows([0.0, math.inf, 1.0]))
    assert text.startswith("In step 12, the loss is nan, at a learning rate of 0.25: lower trainer.learning_rate")
    assert "The checkpoint of step 7 remains. Nothing was exported.\n" in text
    assert "The loss of 1 of the 3 examples of its batch is not finite, as of 't4' -> 't5', age +inf" in text
    assert text.endswith("loss nan. Look at the extreme values of age.")


def test_labels_of_whole_rows_are_named():
    text = error("recurrent", rows([math.nan, 0.5]), saved=None)
    assert "The loss of 2 of the 3 examples of its batch is not finite, as of 't0' -> 't1', age +nan" in text
    assert "'t0 t1 t2' -> 't3', age +nan" in text
    assert "No checkpoint had been saved." in text


def test_the_largest_losses_are_named_if_all_are_finite():
    text = error("shared_projection", windows([0.0, 0.5, 1.0]), loss=2.0)
    assert "In step 12, a gradient is not finite, at a learning rate" in text
    assert "Of the 3 examples of its batch, the largest losses have 't" in text


def test_a_batch_that_cannot_be_read_again_does_not_hide_the_fault():
    def lost() -> tuple[Batch, Batch]:
        raise OSError("gone")

    found = not_finite(model("shared_projection"), BadStep(0, math.inf, 0.1), 1, lost, READABLE, None)
    assert str(found).startswith("In step 1, the loss is inf")
    assert "could not be computed again" in str(found)


@pytest.mark.slow
def test_a_training_ends_at_the_step_and_keeps_a_finite_checkpoint(
    sequence: Corpus, run: Callable[[SimpleNamespace], None], tmp_path
):
    # Adam moves each weight by about the learning rate, so the products of weights overflow after the first step.
    fn_args = sequence.fn_args(tmp_path, {"learning_rate": 1e30, "checkpoint_seconds": 1e-6})
    found = []
    for _ in range(2):  # The second run resumes at the checkpoint, and ends alike.
        with pytest.raises(NotFinite) as raised:
            run(fn_args)
        found.append(str(raised.value))
        (folder,) = (tmp_path / "checkpoints").iterdir()
        (saved,) = saves(str(folder))
        assert saved.endswith("step-0000000001")
        assert damage(saved) is None
        reader = tf.train.load_checkpoint(saved)
        tensors = [reader.get_tensor(name) for name in reader.get_variable_to_shape_map()]
        assert all(np.isfinite(t).all() for t in tensors if isinstance(t, np.ndarray) and t.dtype == np.float32)
    assert found[0] == found[1]
    assert re.search(r"In step 2, the loss is (nan|inf), at a learning rate of \d(\.\d+)?e\+29: lower", found[0])
    assert "The checkpoint of step 1 remains" in found[0]
    assert "of the 64 examples of its batch is not finite, as of '" in found[0]
    assert "party '" in found[0]
    assert not (tmp_path / "model").exists()
