"""Training steps in TensorFlow and Keras: BigVocab's own, and the alternatives that a user would write.

Each step runs the output layer and its optimizer on hidden vectors. Trainable gains multiply the hidden vectors, so
that the gradient of the hidden vectors is computed too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from benchmarks.harness.timing import Spent, Stopwatch, timed
from benchmarks.softmax.problem import BATCHES, Problem
from components.layers.crossentropy import SampledCrossentropy
from components.layers.forms.names import FormName
from components.layers.head import SampledSoftmax
from components.layers.losses.labels import Labels, LossName
from components.layers.optimization.optimizers import RowAdam
from components.training.optimizer import make_optimizer
from components.training.spec import OptimizerSpec

OptimizerKind = Literal["adam", "row_adam"]

LEARNING_RATE = 1e-3
WARM_UP = 3


def use_threads(threads: int) -> None:
    """Set the size of TensorFlow's thread pools. Must be called before any TensorFlow operation."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


class Step:
    """Base class of workloads that run a compiled step on batches in memory."""

    def __init__(self, threads: int) -> None:
        use_threads(threads)

    def prepare(self, classes: int, batch: int) -> None:
        """Compile the step for a size and warm it up."""
        problem = Problem(classes, batch)
        labels = self.labels_of(problem)
        self._batches = [(tf.constant(h), tf.constant(y)) for h, y in zip(problem.hidden, labels, strict=True)]
        self._number = 0
        keras.utils.set_random_seed(problem.seed)
        self._step = tf.function(self.build(problem), autograph=False)  # AutoGraph would take seconds.
        self.turn(WARM_UP)

    def turn(self, steps: int) -> Spent:
        """Run and time a number of steps. Each waits for its result and takes the next batch."""

        def step(_: int) -> None:
            self._number += 1
            self._step(*self._batches[self._number % BATCHES], tf.constant(self._number)).numpy()

        return timed(step, steps)

    def labels_of(self, problem: Problem) -> np.ndarray:
        """Return the labels of the batches, (BATCHES, batch, ...) int32."""
        return problem.labels

    def build(self, problem: Problem) -> Any:
        """Return the function to measure, which maps hidden vectors, labels and the step number to a scalar."""
        raise NotImplementedError


def training_step(losses: Any, variables: list[Any], optimizer: keras.optimizers.Optimizer) -> Any:
    """Return a training step for `Step.build`.

    Args:
        losses: Maps hidden vectors, labels and the step number to losses, (batch,).
        variables: Variables to train.
        optimizer: Optimizer that is not built yet.
    """
    optimizer.build(variables)

    def step(hidden: tf.Tensor, labels: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(losses(hidden, labels, number))
        optimizer.apply_gradients(zip(tape.gradient(loss, [v.value for v in variables]), variables, strict=True))
        return loss

    return step


class Ours(Step):
    """Step with `SampledSoftmax` and one of BigVocab's optimizers.

    Args:
        threads: Size of each of TensorFlow's thread pools.
        optimizer: Kind of the optimizer.
        logits_dtype: Type of the wide matrix products.
        form: Form of the loss.
        labels: Number of labels of each row.
        loss: Loss of rows with several labels. None: a row has one label.
    """

    def __init__(
        self,
        threads: int,
        optimizer: OptimizerKind,
        logits_dtype: str = "float32",
        form: FormName = "auto",
        labels: int = 1,
        loss: LossName | None = None,
    ) -> None:
        super().__init__(threads)
        self._optimizer, self._logits_dtype, self._form = optimizer, logits_dtype, form
        self._labels, self._loss = labels, loss

    def labels_of(self, problem: Problem) -> np.ndarray:
        """Return the labels of the batches; with a loss of several labels, those of `Problem.several_labels`."""
        return problem.labels if self._loss is None else problem.several_labels(self._labels)

    def build(self, problem: Problem) -> Any:
        """Return a training step of the layer's sampled loss."""
        head = SampledSoftmax(
            problem.counts, problem.negatives, problem.alpha, problem.seed, self._logits_dtype, self._form
        )
        head.build((None, problem.width))
        gains = Gains(problem.width)
        variables = [*gains.trainable_variables, *head.trainable_variables]
        optimizer = make_optimizer(OptimizerSpec(kind=self._optimizer), LEARNING_RATE)
        # The closure must not hold the problem: its arrays would count as memory of the step.
        seed, loss = problem.seed, self._loss

        def losses(hidden: tf.Tensor, labels: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
            if loss is not None:
                several = Labels.of(labels)
                return head.sampled_loss_of_several(gains(hidden), several, tf.stack([seed, number]), loss)
            return head.sampled_loss(gains(hidden), labels, tf.stack([seed, number]))

        return training_step(losses, variables, optimizer)


class Textbook(Step):
    """Step with `tf.nn.sampled_softmax_loss` as in TensorFlow's documentation, and Keras's Adam."""

    def build(self, problem: Problem) -> Any:
        """Return a training step of TensorFlow's sampled loss, over at most half the classes."""
        output = keras.layers.Dense(problem.classes, name="output")
        output.build((None, problem.width))
        # `sampled_softmax_loss` expects one row per class.
        table = keras.Variable(np.ascontiguousarray(output.kernel.numpy().T), name="table")
        # Limited to half the classes, since `sampled_softmax_loss` draws distinct classes.
        sampled, classes = min(problem.negatives, problem.classes // 2), problem.classes
        gains = Gains(problem.width)
        variables = [*gains.trainable_variables, table, output.bias]

        def losses(hidden: tf.Tensor, labels: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
            del number  # `sampled_softmax_loss` draws from its own random state.
            return tf.nn.sampled_softmax_loss(
                table.value, output.bias.value, labels[:, tf.newaxis], gains(hidden), sampled, classes
            )

        return training_step(losses, variables, keras.optimizers.Adam(LEARNING_RATE))


class Products(Step):
    """Step with only the three matrix products of a sampled step: a lower bound on the time over as many candidates."""

    def build(self, problem: Problem) -> Any:
        """Return a step that computes the products only, and trains nothing."""
        generator = np.random.default_rng(problem.seed)
        table = tf.constant(generator.standard_normal((problem.candidates, problem.width), dtype=np.float32))
        residual = tf.constant(generator.standard_normal((problem.batch, problem.candidates), dtype=np.float32))

        def step(hidden: tf.Tensor, labels: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
            products = (
                tf.matmul(hidden, table, transpose_b=True),
                tf.matmul(residual, table),
                tf.matmul(residual, hidden, transpose_a=True),
            )
            # Using one element of each product keeps TensorFlow from pruning the products.
            return tf.add_n([product[0, 0] for product in products])

        return step


class Naive:
    """Workload with `Dense(classes, activation="softmax")`, sparse cross entropy and Adam, in `fit`."""

    def __init__(self, threads: int) -> None:
        use_threads(threads)

    def prepare(self, classes: int, batch: int) -> None:
        """Compile the model for a size and warm up `fit`."""
        problem = Problem(classes, batch)
        keras.utils.set_random_seed(problem.seed)
        self._batches = list(zip(problem.hidden, problem.labels, strict=True))
        self._model = self.model(problem)
        self.turn(WARM_UP)

    def model(self, problem: Problem) -> keras.Model:
        """Return the compiled model."""
        output = keras.layers.Dense(problem.classes, activation="softmax")
        model = keras.Sequential([keras.Input((problem.width,)), Gains(problem.width), output])
        model.compile(keras.optimizers.Adam(LEARNING_RATE), "sparse_categorical_crossentropy")
        return model

    def turn(self, steps: int) -> Spent:
        """Run a number of steps in one `fit`, and time all but the first step of the call."""
        # The clock starts after the first step, to exclude the work that `fit` does once per call.
        clock = Clock(0, steps)
        batches = _endless(self._batches)
        self._model.fit(batches, steps_per_epoch=steps + 1, verbose=0, shuffle=False, callbacks=[clock])
        return clock.spent


class KerasSampled(Naive):
    """Workload with `SampledSoftmax` as the last layer of a plain Keras model, in `fit`."""

    def model(self, problem: Problem) -> keras.Model:
        """Return the compiled model, with `RowAdam` and the sampled loss."""
        output = SampledSoftmax(problem.counts, problem.negatives, problem.alpha, problem.seed, training_logits=False)
        model = keras.Sequential([keras.Input((problem.width,)), Gains(problem.width), output])
        model.compile(RowAdam(LEARNING_RATE), SampledCrossentropy())
        return model


class Clock(keras.callbacks.Callback):
    """Callback that measures the time between the ends of two batches of a `fit`."""

    def __init__(self, first: int, last: int) -> None:
        super().__init__()
        self._first, self._last = first, last
        self.spent: Spent

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Start the clock at the end of batch `first`, and stop it at the end of batch `last`."""
        if batch == self._first:
            float(logs["loss"])  # Waits until the step has finished.
            self._watch = Stopwatch()
        elif batch == self._last:
            float(logs["loss"])
            self.spent = self._watch.spent(self._last - self._first)


def _endless(batches: list[Any]) -> Iterator[Any]:
    while True:
        yield from batches


class Gains(keras.layers.Layer):
    """Layer that multiplies its input by a trainable vector, initially ones."""

    def __init__(self, width: int) -> None:
        super().__init__(name="gains")
        self.gains = self.add_weight(shape=(width,), initializer="ones", name="gains")

    def call(self, hidden: tf.Tensor) -> tf.Tensor:
        """Return the scaled hidden vectors, (batch, width)."""
        return hidden * self.gains
