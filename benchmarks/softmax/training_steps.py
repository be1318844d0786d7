"""Training steps of the whole model, as in the Trainer: the bare step, `fit`, and the input pipeline alone.

The data are synthetic TFRecords in the format of Transform: rows of tokens whose frequencies follow Zipf's law.
"""

from __future__ import annotations

import itertools
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks import zipf
from benchmarks.harness.timing import Spent, timed
from benchmarks.softmax.keras_steps import Clock, use_threads
from benchmarks.softmax.problem import Problem
from components.training.data.batches import count_windows, latest_ids, training_batches
from components.training.data.layout import Layout
from components.training.devices.strategy import configure_devices, make_strategy
from components.training.loop.callbacks import Callbacks
from components.training.model import VocabularyClassifier, build_model
from components.training.optimizer import make_optimizer
from components.training.spec import TrainerSpec

INPUTS = 10_000
CONTEXT = TrainerSpec().model.context
ROW_TOKENS = 65
WARM_UP = 3


class TrainingSteps:
    """Base class of workloads, which prepares the data and the model.

    Args:
        threads: Size of each of TensorFlow's thread pools.
        folder: Folder to write the data to.
        replicas: Number of devices that share a step.
    """

    def __init__(self, threads: int, folder: str, replicas: int = 1) -> None:
        use_threads(threads)
        configure_devices(replicas)
        self._strategy = make_strategy(replicas)
        self._folder = Path(folder)

    def prepare(self, classes: int, batch: int, steps: int) -> None:
        """Create data of `steps` steps per pass, and the model."""
        problem = Problem(classes, batch)
        layout = Layout("sequence", CONTEXT, INPUTS, (), {})
        file = str(self._folder / f"{os.getpid()}.gz")
        _write_rows(problem, math.ceil(batch * steps / (ROW_TOKENS - 1)), file)
        size = count_windows([file], layout)
        self._batches = training_batches([file], layout, batch, steps, seed=1, block_rows=size.block_rows)
        self._model = self._build(problem, layout)
        self._model.encoder.adapt(lambda length: latest_ids([file], layout, length))
        self.turn(WARM_UP)

    def turn(self, steps: int) -> Spent:
        """Run and time a number of steps. A subclass implements it."""
        raise NotImplementedError

    def _build(self, problem: Problem, layout: Layout) -> VocabularyClassifier:
        spec = TrainerSpec()
        with self._strategy.scope():
            model = build_model(spec, layout, problem.counts.tolist())
            model.compile_with(make_optimizer(spec.optimizer, spec.learning_rate))
        return model


class Bare(TrainingSteps):
    """Workload that runs the compiled step on batches in memory."""

    def prepare(self, classes: int, batch: int, steps: int) -> None:
        """Drop the batches of an earlier size, then prepare like the base class."""
        self._ready: list[Any] = []
        super().prepare(classes, batch, steps)

    def turn(self, steps: int) -> Spent:
        """Run and time a number of steps over 8 batches that are already in memory."""
        if not self._ready:
            self._ready = list(self._batches.take(8))
            self._step = tf.function(self._model.train_step, autograph=False)  # as Keras does
        return timed(lambda i: self._step(self._ready[i % len(self._ready)])["loss"].numpy(), steps)


class Input(TrainingSteps):
    """Workload that reads the batches without training."""

    def turn(self, steps: int) -> Spent:
        """Read and time a number of batches, from the middle of a pass into the next."""
        # Starts half a pass ahead, so that the time includes the change from one pass to the next.
        batches = iter(self._batches)
        for _ in itertools.islice(batches, steps // 2 + 1):
            pass
        return timed(lambda _: next(batches), steps)


class Fit(TrainingSteps):
    """Workload that calls `fit` like the Trainer."""

    def turn(self, steps: int) -> Spent:
        """Run `fit`, and time a number of steps from the middle of a pass into the next."""
        first = steps // 2
        clock, model, length = Clock(first, first + steps), self._model, first + steps + 1
        callbacks = Callbacks([clock], add_history=True, model=model, epochs=1, steps=length, verbose=0)
        model.fit(self._batches, steps_per_epoch=length, verbose=0, shuffle=False, callbacks=callbacks)
        return clock.spent


def _write_rows(problem: Problem, rows: int, file: str) -> None:
    uniform = np.random.default_rng(problem.seed + 2).random((rows, ROW_TOKENS))
    tokens = zipf.drawn(problem.frequencies, uniform)
    with tf.io.TFRecordWriter(file, "GZIP") as writer:
        for row in tokens:
            example = tf.train.Example()
            example.features.feature["input_ids"].int64_list.value.extend(np.minimum(row, INPUTS - 1))
            example.features.feature["label_ids"].int64_list.value.extend(row)
            writer.write(example.SerializeToString())
