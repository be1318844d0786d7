"""Guard against losses and gradients that are not finite, on the devices of a training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from components.layers.optimization.gradients import Gradient, half_square_norm, zeros_if


@dataclass(frozen=True)
class BadStep:
    """First step whose loss or gradients are not finite.

    Attributes:
        iteration: Step count of the optimizer before the step.
        loss: Loss of the step, over all replicas.
        rate: Learning rate of the step.
    """

    iteration: int
    loss: float
    rate: float


class Guard:
    """Guard that records the first step whose loss or gradients are not finite, and stops all updates from that step.

    The device does both, so that the host need not wait for each step: only `bad_step` waits. From the bad step on,
    gradients and learning rate (`HaltingRate`) are 0, so that the weights remain those before the step. The moments of
    the optimizer decay further, so no checkpoint may be saved then. Must be created in the scope of the strategy.

    A gradient counts as not finite if the square of its norm exceeds float32: Adam squares the gradient too.

    Args:
        schedule: Learning rate of the training, by the step count of the optimizer.
    """

    def __init__(self, schedule: Callable[[Any], tf.Tensor]) -> None:
        self.schedule = schedule
        self._iteration = _same_on_all(tf.constant(-1, tf.int64))
        self._loss = _same_on_all(tf.zeros([]))

    @property
    def halted(self) -> tf.Tensor:
        """True after a bad step, a scalar bool on the device."""
        return self._iteration.read_value() >= 0

    def checked(
        self, loss: tf.Tensor, gradients: Sequence[Gradient | None], iteration: tf.Tensor
    ) -> list[Gradient | None]:
        """Return the gradients of one step, or zeros from the first bad step on. Called in replica context.

        Args:
            loss: Share of this replica in the loss.
            gradients: Gradients of this replica.
            iteration: Step count of the optimizer before the step.
        """
        found = tf.stack([tf.cast(loss, tf.float32), half_square_norm(gradients)])
        context = tf.distribute.get_replica_context()
        if context.num_replicas_in_sync > 1:  # All replicas must decide alike, and sums remain not finite.
            found = context.all_reduce(tf.distribute.ReduceOp.SUM, found)
        before, last = self._iteration.read_value(), self._loss.read_value()
        bad = tf.logical_not(tf.reduce_all(tf.math.is_finite(found)))
        new = bad & (before < 0)
        self._iteration.assign(tf.where(new, tf.cast(iteration, tf.int64), before))
        self._loss.assign(tf.where(new, found[0], last))
        return zeros_if(bad | (before >= 0), gradients)

    def bad_step(self) -> BadStep | None:
        """Wait for the steps so far, and return the first bad step, or None without a bad step."""
        iteration = int(self._iteration.numpy())
        if iteration < 0:
            return None
        return BadStep(iteration, float(self._loss.numpy()), float(self.schedule(iteration)))


class HaltingRate(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate of a guard's schedule, 0 from the first bad step on.

    Args:
        guard: Guard of the training.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def __call__(self, step: Any) -> tf.Tensor:
        """Return the learning rate, a float32 scalar, at a step count of the optimizer."""
        return tf.where(self._guard.halted, 0.0, self._guard.schedule(step))


def _same_on_all(value: tf.Tensor) -> tf.Variable:
    # All replicas write the same values, in replica context, so the value of the first replica is kept.
    return tf.Variable(value, trainable=False, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
