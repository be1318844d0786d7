"""Periodic updates of the weights that all inputs share, while all other weights train at every step.

A period consists of P steps. Let g_1 ... g_P be the gradients of these steps with respect to a shared weight w:

    accumulate   w is frozen, then takes one step of the optimizer with (g_1 + ... + g_P) / P
    alternate    w is frozen, then trains at each of the last steps of the period, for one pass over the data; or only
                 at the last step, if the period is configured in steps

With `accumulate`, a training may end within a period. Its last step then applies the mean of the gradients since the
last update. A training that stops early drops these gradients.

The shared weights have their own optimizer, of the same kind. This optimizer does nothing between updates: it applies
no weight decay and no decay of moments, and its bias correction counts updates, not steps. Its learning rate is the
rate at the step of the update. Clipping by a global norm treats the two groups of weights separately.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from components.layers.optimization.gradients import Gradient
from components.training.loop.checkpoint import TrainingState
from components.training.loop.plan import Plan
from components.training.spec import UpdateSpec


@dataclass(frozen=True)
class Period:
    """Schedule of the updates of the shared weights.

    Attributes:
        steps: Steps of a period.
        update_steps: Number of steps at the end of a period that update the shared weights; only for `alternate`.
        total: Steps of the training.
        accumulate: True for `accumulate`, False for `alternate`.
    """

    steps: int
    update_steps: int
    total: int
    accumulate: bool

    @classmethod
    def of(cls, spec: UpdateSpec, plan: Plan) -> Period:
        """Return the period of a training.

        Args:
            spec: Configuration of the updates.
            plan: Plan of the training.

        Raises:
            ValueError: The training ends before the first update of the shared weights.
        """
        accumulate = spec.kind == "accumulate"
        steps = spec.every_steps or max(1, round(spec.every * plan.steps_per_pass))
        update_steps = 1 if spec.every_steps else plan.steps_per_pass
        if not accumulate and steps - update_steps >= plan.steps:
            raise ValueError(
                f"trainer.update: the shared weights would never train: they are frozen for {steps - update_steps} of "
                f"every {steps} steps, and the training has {plan.steps}; choose a shorter period or more epochs"
            )
        return cls(steps, update_steps, plan.steps, accumulate)

    def updates(self, step: int) -> bool:
        """Return True if a step updates the shared weights. Steps count from 0."""
        if self.accumulate:
            return (step + 1) % self.steps == 0 or step + 1 == self.total
        return step % self.steps >= self.steps - self.update_steps


class PeriodicUpdate:
    """Update that applies the gradients of a model, but updates its shared weights only periodically.

    The callback `Updates` sets `updating` before each step. The graph of a step does not branch on `updating`: steps
    with and without an update of the shared weights are traced separately.

    Args:
        model: Built model.
        shared: Shared weights, a subset of the model's trainable weights.
        optimizer: Optimizer of all other trainable weights; built here.
        shared_optimizer: Optimizer of the shared weights; built here.
        period: Schedule of the updates of the shared weights.

    Attributes:
        updating: True if the next traced step updates the shared weights.
    """

    def __init__(
        self,
        model: keras.Model,
        shared: Sequence[keras.Variable],
        optimizer: keras.optimizers.Optimizer,
        shared_optimizer: keras.optimizers.Optimizer,
        period: Period,
    ) -> None:
        self.period, self.updating = period, False
        self.optimizer, self.shared_optimizer = optimizer, shared_optimizer
        self._variables = model.trainable_variables
        self._shared = {id(variable) for variable in shared}
        optimizer.build([v for v in self._variables if id(v) not in self._shared])
        shared_optimizer.build([v for v in self._variables if id(v) in self._shared])
        # All replicas write the same values, in replica context, so the value of the first replica is kept.
        self._sums, self._count = [], None
        if period.accumulate:
            self._sums = [_same_on_all(tf.zeros(v.shape)) for v in self._variables if id(v) in self._shared]
            self._count = _same_on_all(tf.zeros([]))

    @property
    def variables(self) -> list[Any]:
        """Variables that a checkpoint must hold in addition to those of the optimizer."""
        sums = [*self._sums, self._count] if self.period.accumulate else []
        return [*self.shared_optimizer.variables, *sums]

    def apply(self, gradients: Sequence[Gradient | None]) -> None:
        """Apply the gradients of one step, in replica context.

        Args:
            gradients: Gradients of this replica, in the order of the model's trainable weights.
        """
        pairs = list(zip(gradients, self._variables, strict=True))
        shared = [(g, v) for g, v in pairs if id(v) in self._shared]
        if self.period.accumulate:
            shared = self._accumulated(shared)
        if self.updating:
            self.shared_optimizer.apply_gradients(shared)
        # Must come last: both optimizers read the learning rate from the step count of this optimizer.
        self.optimizer.apply_gradients([(g, v) for g, v in pairs if id(v) not in self._shared])

    def _accumulated(
        self, shared: list[tuple[Gradient | None, keras.Variable]]
    ) -> list[tuple[tf.Tensor, keras.Variable]]:
        context = tf.distribute.get_replica_context()
        dense = [tf.convert_to_tensor(gradient) for gradient, _ in shared]
        for total, gradient in zip(self._sums, context.all_reduce(tf.distribute.ReduceOp.SUM, dense), strict=True):
            total.assign_add(gradient)
        self._count.assign_add(1.0)
        if not self.updating:
            return []
        # The optimizer sums over the replicas, and each replica holds the whole sum.
        share = 1.0 / (self._count * context.num_replicas_in_sync)
        means = [total * share for total in self._sums]
        for total in [*self._sums, self._count]:
            total.assign(tf.zeros(total.shape))
        return [(mean, variable) for mean, (_, variable) in zip(means, shared, strict=True)]


class Updates(keras.callbacks.Callback):
    """Callback that selects the training function of each step, with or without an update of the shared weights.

    Args:
        update: Update of the model.
        state: State of the training.
    """

    def __init__(self, update: PeriodicUpdate, state: TrainingState) -> None:
        super().__init__()
        self._update, self._state = update, state
        self._functions: dict[bool, Any] = {}

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the training function of the next step, which is traced at its first use."""
        updating = self._update.period.updates(self._state.step)
        # Must be set before the first call of each function, which traces the function.
        self._update.updating = updating
        if updating not in self._functions:
            self.model.make_train_function(force=True)
            self._functions[updating] = self.model.train_function
        self.model.train_function = self._functions[updating]


def periodic_update(
    spec: UpdateSpec,
    plan: Plan,
    model: keras.Model,
    make: Callable[[Any], keras.optimizers.Optimizer],
    schedule: keras.optimizers.schedules.LearningRateSchedule,
) -> PeriodicUpdate:
    """Return the periodic update of a model whose encoder has weights that all inputs share.

    Must be called in the scope of the strategy.

    Args:
        spec: Configuration of the update, of a kind other than `always`.
        plan: Plan of the training.
        model: Model with `encoder.shared_variables` and `encoder.embedding`.
        make: Function that returns an optimizer for a learning rate: a schedule, or a function without arguments.
        schedule: Learning rate over the steps.

    Raises:
        ValueError: The shared weights would never train, or the encoder has no shared weights.
    """
    optimizer = make(schedule)
    shared = [*model.encoder.shared_variables, *(model.encoder.embedding.trainable_variables if spec.embedding else [])]
    if not shared:
        raise ValueError(
            f"trainer.update: the encoder {type(model.encoder).__name__} has no weights that all inputs share: let it "
            "name them in `shared_variables`, or set trainer.update.embedding"
        )
    return PeriodicUpdate(
        model,
        shared,
        optimizer,
        make(lambda: schedule(optimizer.iterations)),
        Period.of(spec, plan),
    )


def _same_on_all(value: tf.Tensor) -> tf.Variable:
    return tf.Variable(value, trainable=False, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
