"""Tests of the predicted memory of a training, and of the error of a lack of memory."""

from __future__ import annotations

import functools

import keras
import pytest
import tensorflow as tf

from components.memory import Memory
from components.training.data.layout import Layout
from components.training.faults.out_of_memory import Need, OutOfMemory, check, memory_errors, predicted
from components.training.model import build_model
from components.training.spec import TrainerSpec

SPEC = TrainerSpec.model_validate({"batch": 64, "model": {"context": 5, "embedding": 8, "projection": 8, "hidden": 16}})
LAYOUT = Layout("sequence", 5, 300, ("column/age",), {"column/party": 4}, target_counts={"column/kind": (3, 4)})


@pytest.mark.parametrize("kind", ["shared_projection", "recurrent", "transformer", "ten_inputs", "session"])
def test_the_weights_are_those_of_the_model(kind):
    more = {"frequent_ngrams": 500} if kind == "shared_projection" else {}
    spec = TrainerSpec.model_validate({"model": {"kind": kind, "context": 5, "embedding": 8, **more}})
    build = functools.partial(build_model, spec, LAYOUT, [5] * 50)
    expected = build()
    need = predicted(spec, build, 64, 50)
    trainable = sum(v.numpy().nbytes for v in expected.trainable_weights)
    assert need.weights == 4 * trainable + sum(v.numpy().nbytes for v in expected.non_trainable_weights)
    # The plan leaves no trace: names that Keras gives itself go on, and later scopes create no weight of it.
    before = keras.backend.get_uid("planned")
    predicted(spec, build, 64, 50)
    assert keras.backend.get_uid("planned") == before + 1


def test_dense_gradients_count_for_exact_adam():
    adam = TrainerSpec.model_validate({**SPEC.model_dump(), "optimizer": {"kind": "adam"}})
    build = functools.partial(build_model, SPEC, LAYOUT, [5] * 50)
    rows, exact = (predicted(spec, build, 64, 50) for spec in (SPEC, adam))
    assert exact.weights == rows.weights
    assert exact.step - rows.step == pytest.approx(rows.weights / 4, rel=0.1)


def test_a_need_above_the_memory_of_the_machine_is_refused():
    with pytest.raises(OutOfMemory, match=r"need 3\.0 GB of memory, and this machine has 2\.0 GB: lower vocabulary\."):
        check(Need(3 * 10**9, 0), SPEC, Memory(2 * 10**9, 10**9))


def test_a_need_above_the_free_memory_is_a_warning(capsys):
    has = Memory(4 * 10**9, 10**9)
    check(Need(5 * 10**8, 10**8), SPEC, has)
    assert not capsys.readouterr().err
    check(Need(5 * 10**8, 10**9), SPEC, has)
    said = capsys.readouterr().err
    assert "may need 1.5 GB of memory, 500.0 MB of it for the weights, and 1.0 GB free of 4.0 GB" in said
    assert "lower trainer.batch, now 64, for example to 32" in said


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["training", "validation"])
def test_a_refused_allocation_names_the_settings_that_help(stage):
    with pytest.raises(OutOfMemory) as raised, memory_errors(SPEC, "training"), memory_errors(SPEC, stage):
        tf.zeros([1 << 20, 1 << 20, 1 << 12], tf.int8)
    text = str(raised.value)
    assert text.startswith(f"out of memory in the {stage} (")
    assert "lower trainer.batch, now 64, for example to 32" in text
    assert ("trainer.validation_examples, now 16,384" in text) == (stage == "validation")


def test_other_errors_pass():
    with pytest.raises(ValueError, match="other"), memory_errors(SPEC, "training"):
        raise ValueError("other")
