"""What a model answers from its hidden vector: one of many classes, or a number."""

# TensorFlow's and Keras's annotations are narrower than what they take and give.
# pyright: reportArgumentType=false, reportReturnType=false, reportCallIssue=false

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from components.layers.head import SampledSoftmax


class ClassOutput(keras.layers.Layer):
    """One of the classes of a head: trained on its sampled softmax, measured with the full one.

    Args:
        head: the layer with a row for each class.
    """

    def __init__(self, head: SampledSoftmax, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.head = head

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if not self.head.built:
            self.head.build(input_shape)
        self.built = True

    def call(self, hidden: tf.Tensor) -> tf.Tensor:
        """Logits: (batch, width) -> (batch, classes)."""
        return self.head(hidden)

    def row_losses(self, hidden: tf.Tensor, targets: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Of each row: (batch, width), (batch,) classes -> (batch,) float32 nats, 0 where the class is -1."""
        return self.head.sampled_loss(hidden, targets, seed)

    def row_values(self, hidden: tf.Tensor, targets: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return what metrics are made of, with the full softmax: (batch, width), (batch,) classes -> (batch,) each.

        Returns:
            `label`, the int32 classes, -1 where unknown; `nll`, in nats; `rank`, 1 for the most probable class.
        """
        targets = tf.cast(targets, tf.int32)
        nll, rank, *_ = self.head.sweep(hidden, targets)
        return {"label": targets, "nll": nll, "rank": rank}


class NumberOutput(keras.layers.Layer):
    """One number, learnt by the mean squared error of its standardised value.

        y = m + s (h w + b),   loss = ((y - target) / s)^2

    m and s, the mean and standard deviation of the target, are weights that are not trained: so that an untrained model
    answers near the mean, the rate of learning does not depend on the column's units, and the answer is in them. With
    s = 0, of a constant, the answer is m. Differences and squares are taken in float64: float32 cannot hold the square
    of 1e21, nor the difference of two large numbers of opposite sign.

    Args:
        seed: of the weights.
    """

    def __init__(self, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.kernel = self.add_weight(
            shape=(input_shape[-1],),
            initializer=keras.initializers.RandomNormal(stddev=0.02, seed=self.seed),
            autocast=False,
            name="kernel",
        )
        self.bias = self.add_weight(shape=(), initializer="zeros", autocast=False, name="bias")
        self.mean = self.add_weight(shape=(), initializer="zeros", trainable=False, autocast=False, name="mean")
        self.deviation = self.add_weight(
            shape=(), initializer="ones", trainable=False, autocast=False, name="deviation"
        )
        self.built = True

    def standardise(self, mean: float, deviation: float) -> None:
        """Set m and s, in the target's units."""
        self.mean.assign(mean)
        self.deviation.assign(deviation)

    def call(self, hidden: tf.Tensor) -> tf.Tensor:
        """Return the number in the target's units, a finite float32 if the weights are: (batch, width) -> (batch,)."""
        numbers = _double(self.mean) + _double(self.deviation) * _double(self._standardised(hidden))
        return tf.cast(tf.clip_by_value(numbers, tf.float32.min, tf.float32.max), tf.float32)

    def row_losses(self, hidden: tf.Tensor, targets: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Of each row: (batch, width), (batch,) numbers -> (batch,) squared errors, 0 where the number is NaN."""
        del seed  # nothing is drawn
        distance = _double(targets) - _double(self.mean)
        wanted = tf.cast(tf.math.divide_no_nan(distance, _double(self.deviation)), tf.float32)
        known = tf.logical_not(tf.math.is_nan(targets))
        # Not only the loss: a NaN that a `where` leaves out would still stand in the gradient.
        error = self._standardised(hidden) - tf.where(known, wanted, 0.0)
        return tf.where(known, tf.square(error), 0.0)

    def row_values(self, hidden: tf.Tensor, targets: tf.Tensor) -> dict[str, tf.Tensor]:
        """Return what metrics are made of, in the target's units: (batch, width), (batch,) numbers -> (batch,) float32.

        Returns:
            `answer`; `number`, NaN where missing; and the scalar `mean` of the train split.
        """
        return {"answer": self(hidden), "number": targets, "mean": self.mean.value}

    def _standardised(self, hidden: tf.Tensor) -> tf.Tensor:
        return tf.linalg.matvec(tf.cast(hidden, tf.float32), self.kernel) + self.bias


def _double(value: tf.Tensor) -> tf.Tensor:
    return tf.cast(value, tf.float64)


Output = ClassOutput | NumberOutput
