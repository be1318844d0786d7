"""Tests that a measured step trains: the loss falls, and the step computes the gradient for the hidden vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.softmax import keras_steps
from benchmarks.softmax.problem import Problem

SIZE = {"classes": 300, "batch": 64}


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the thread settings: TensorFlow is already initialized."""
    monkeypatch.setattr(keras_steps, "use_threads", lambda _: None)


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize(
    ("workload", "options"),
    [
        (keras_steps.Ours, {"optimizer": "adam"}),
        (keras_steps.Ours, {"optimizer": "row_adam", "logits_dtype": "bfloat16"}),
        (keras_steps.Ours, {"optimizer": "adam", "form": "full"}),
        (keras_steps.Textbook, {}),
    ],
)
def test_keras_steps_train(workload: type[keras_steps.Step], options: dict[str, Any]) -> None:
    work = workload(2, **options)
    work.prepare(**SIZE)

    def loss() -> float:
        return float(np.mean([work._step(*batch, tf.constant(number)) for number, batch in enumerate(work._batches)]))

    before = loss()
    spent = work.turn(120)
    assert spent.steps == 120
    assert loss() < before - 0.3


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize("variant", [keras_steps.Naive, keras_steps.KerasSampled])
def test_plain_keras_models_train_in_fit(variant: type[keras_steps.Naive]) -> None:
    work = variant(2)
    work.prepare(**SIZE)
    hidden, labels = np.concatenate([h for h, _ in work._batches]), np.concatenate([y for _, y in work._batches])

    def loss() -> float:
        return work._model.evaluate(hidden, labels, verbose="0")

    before = loss()
    gains = work._model.layers[0].gains.numpy()
    assert work.turn(120).steps == 120
    assert loss() < before - 0.3
    assert np.abs(work._model.layers[0].gains.numpy() - gains).min() > 0


@pytest.mark.usefixtures("running")
def test_products_are_those_of_a_step() -> None:
    work = keras_steps.Products(2)
    work.prepare(**SIZE)
    operations = work._step.get_concrete_function(*work._batches[0], tf.constant(0)).graph.get_operations()
    shapes = [tuple(op.outputs[0].shape) for op in operations if op.type == "MatMul"]
    problem = Problem(**SIZE)
    batch, width, candidates = problem.batch, problem.width, problem.candidates
    assert shapes == [(batch, candidates), (batch, width), (candidates, width)]


@pytest.mark.parametrize("name", ["Full", "Adaptive", "Sampled"])
def test_torch_steps_train(name: str) -> None:
    pytest.importorskip("torch")
    from benchmarks.softmax import torch_steps

    work = getattr(torch_steps, name)(1)
    work.prepare(**SIZE)

    def loss() -> float:
        return float(np.mean([work._loss(h * work._gains, y).item() for h, y in work._batches]))

    before = loss()
    work.turn(120)
    assert loss() < before - 0.3
    assert (work._gains - 1).abs().min() > 0
