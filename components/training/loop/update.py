"""Updating the weights that all inputs share only now and then, while all others train at every step.

A period is a number of steps, P. With the gradients g_1 ... g_P of its steps, w being a shared weight:

    accumulate   w stands still, then takes one step of the optimizer with (g_1 + ... + g_P) / P
    alternate    w stands still, then trains at each of the period's last steps, one pass over the data

What is left over when the steps of a training end within a period is applied at its last step, as the mean over the
steps there were. A training that is stopped early drops it.

The shared weights have an optimizer of their own, of the same kind. It is asked for nothing between their updates: no
weight decay, no decay of moments, and its bias correction counts updates, not steps. The learning rate is that of the
step at which the update happens. Clipping by a global norm takes either group of weights by itself.
"""

# TensorFlow's and Keras's annotations are narrower than what they take and give.
# pyright: reportArgumentType=false, reportOptionalMemberAccess=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from components.layers.gradients import Gradient
from components.training.loop.checkpoint import TrainingState
from components.training.loop.plan import Plan
from components.training.spec import UpdateSpec


@dataclass(frozen=True)
class Period:
    """When the shared weights are updated.

    Attributes:
        steps: of a period.
        window: `alternate` only: so many of its last steps update.
        total: steps of the training.
        accumulate: which of the two kinds.
    """

    steps: int
    window: int
    total: int
    accumulate: bool

    @classmethod
    def of(cls, spec: UpdateSpec, plan: Plan) -> Period:
        """The periods of a training.

        Raises:
            ValueError: the training ends before the shared weights would train once.
        """
        accumulate = spec.kind == "accumulate"
        steps = spec.every_steps or max(1, round(spec.every * plan.steps_per_pass))
        window = 1 if spec.every_steps else plan.steps_per_pass
        if not accumulate and steps - window >= plan.steps:
            raise ValueError(
                f"the shared weights would never train: trainer.update lets them stand still for {steps - window} of "
                f"every {steps} steps, and the training has {plan.steps}"
            )
        return cls(steps, window, plan.steps, accumulate)

    def updates(self, step: int) -> bool:
        """Whether the shared weights move in a step; steps count from 0."""
        if self.accumulate:
            return (step + 1) % self.steps == 0 or step + 1 == self.total
        return step % self.steps >= self.steps - self.window


class PeriodicUpdate:
    """Applies the gradients of a model, those of some weights only now and then.

    Whether a step updates them is known before it starts, and is no part of its graph: `Updates` sets it.

    Args:
        model: built.
        shared: some of its trainable weights.
        optimizer: of all others; built here.
        shared_optimizer: of these; built here.
        period: when they are updated.

    Attributes:
        updating: whether the next step that is traced updates the shared weights.
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
        # Written in replica context, where the same is written on all: that of the first serves.
        self._sums, self._count = [], None
        if period.accumulate:
            self._sums = [_same_on_all(tf.zeros(v.shape)) for v in self._variables if id(v) in self._shared]
            self._count = _same_on_all(tf.zeros([]))

    @property
    def variables(self) -> list[Any]:
        """What a checkpoint has to hold beside the optimizer's variables."""
        sums = [*self._sums, self._count] if self.period.accumulate else []
        return [*self.shared_optimizer.variables, *sums]

    def apply(self, gradients: Sequence[Gradient | None]) -> None:
        """Makes a step, in replica context.

        Args:
            gradients: of this replica, in the order of the model's trainable weights.
        """
        pairs = list(zip(gradients, self._variables, strict=True))
        shared = [(g, v) for g, v in pairs if id(v) in self._shared]
        if self.period.accumulate:
            shared = self._accumulated(shared)
        if self.updating:
            self.shared_optimizer.apply_gradients(shared)
        # Last: both read the learning rate from this one's count of steps.
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
        # The optimizer sums over the replicas, and each has the whole sum.
        share = 1.0 / (self._count * context.num_replicas_in_sync)
        means = [total * share for total in self._sums]
        for total in [*self._sums, self._count]:
            total.assign(tf.zeros(total.shape))
        return [(mean, variable) for mean, (_, variable) in zip(means, shared, strict=True)]


class Updates(keras.callbacks.Callback):
    """Chooses before each step the training function that updates the shared weights, or the one that does not.

    Args:
        update: of the model.
        state: of the training.
    """

    def __init__(self, update: PeriodicUpdate, state: TrainingState) -> None:
        super().__init__()
        self._update, self._state = update, state
        self._functions: dict[bool, Any] = {}

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        updating = self._update.period.updates(self._state.step)
        # Set before the first call of either, which traces it.
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
    """The update of a model with an encoder whose weights all inputs share.

    To be called in the strategy's scope.

    Args:
        spec: of a kind other than `always`.
        plan: of the training.
        model: has `encoder.shared_variables` and `encoder.embedding`.
        make: an optimizer from a learning rate: a schedule, or a function without arguments.
        schedule: of the learning rate over the steps.

    Raises:
        ValueError: the shared weights would never train, or the encoder has none.
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
