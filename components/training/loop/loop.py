"""Training loop, which runs the remaining steps of a training."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import tensorflow as tf

from components.training.board.board import Board
from components.training.devices import workers
from components.training.faults.not_finite import not_finite
from components.training.faults.out_of_memory import memory_errors
from components.training.faults.readable import Readable
from components.training.loop.callbacks import Callbacks, ProgressLine, Scalars, Steps, Validation
from components.training.loop.checkpoint import Checkpoints, TrainingState
from components.training.loop.plan import Plan
from components.training.loop.update import Updates
from components.training.loop.validation import Validator
from components.training.model import VocabularyClassifier
from components.training.spec import TrainerSpec


@dataclass
class Loop:
    """Training loop.

    Attributes:
        model: Compiled model.
        validator: Validator that measures the model on the eval split.
        checkpoints: Checkpoints of the training.
        state: State of the training; changed in place.
        plan: Steps and validations of the training.
        readable: Readable form of the examples, for the error of a loss that is not finite.
        more: Callbacks that come last, such as one that stops a training.
        board: Writer of the contents of TensorBoard beside the curves; None for workers that write no files.
    """

    model: VocabularyClassifier
    validator: Validator
    checkpoints: Checkpoints
    state: TrainingState
    plan: Plan
    readable: Readable
    more: Sequence[keras.callbacks.Callback] = ()
    board: Board | None = None

    def run(self, batches: Callable[[int], tf.data.Dataset], directory: str, spec: TrainerSpec) -> None:
        """Train to the end of the plan, or until training stops early.

        Args:
            batches: Function that returns the endless training data after skipping a number of batches.
            directory: Folder for TensorBoard.
            spec: Configuration, with the seconds between checkpoints and the patience.

        Raises:
            NotFinite: The loss or a gradient of a step is not finite.
        """
        scalars = Scalars(directory, self.state, self.plan.batch, self.plan.interval)
        callbacks = self._callbacks(scalars, spec, functools.partial(self._check, batches))
        while not self.state.finished:
            self._fit(batches(self.state.step), callbacks)
        scalars.close()

    def _fit(self, batches: tf.data.Dataset, callbacks: list[keras.callbacks.Callback]) -> None:
        """Train to the end of the plan or, if the state is between two validations, to the next validation."""
        plan = self.plan
        epoch, done = divmod(self.state.step, plan.interval)
        # A Keras epoch is a validation interval here, and all epochs of one `fit` have the same number of steps.
        steps, end = plan.interval - done, epoch + 1 if done else plan.validations
        around = Callbacks(callbacks, add_history=True, model=self.model, epochs=end, steps=steps, verbose=0)
        if self._several:
            workers.fit(self.model, batches, self.model.distribute_strategy, around, epoch, end, steps)
            return
        self.model.fit(
            batches,
            initial_epoch=epoch,
            epochs=end,
            steps_per_epoch=steps,
            verbose=0,
            shuffle=False,  # The data set has its own order.
            callbacks=around,
        )

    def _check(self, batches: Callable[[int], tf.data.Dataset]) -> None:
        """Raise `NotFinite` if the loss or a gradient of a step so far is not finite."""
        bad = self.model.guard.bad_step() if self.model.guard is not None else None
        if bad is None:
            return
        done = bad.iteration - self.state.first_iteration
        raise not_finite(
            self.model, bad, done + 1, lambda: next(iter(batches(done))), self.readable, self.checkpoints.last_step()
        )

    def _callbacks(
        self, scalars: Scalars, spec: TrainerSpec, check: Callable[[], None]
    ) -> list[keras.callbacks.Callback]:
        """Return the callbacks in the required order: each reads the changes of its predecessors."""
        agree = functools.partial(workers.any_says, self.model.distribute_strategy) if self._several else None
        errors = functools.partial(memory_errors, spec, "validation")
        state, plan, board = self.state, self.plan, self.board
        look = None if board is None else lambda: board.observe(self.model, state.step)
        callbacks: list[keras.callbacks.Callback] = [
            Steps(self.checkpoints, state, plan.interval, spec.checkpoint_seconds, check, agree),
            Validation(self.validator, self.checkpoints, state, plan, spec.patience, errors, look),
            scalars,
            ProgressLine(state, plan.batch, plan.steps, self.validator.shown, self.validator.forms),
        ]
        if board is not None:
            callbacks += board.callbacks(plan.steps - state.step, spec.profile_steps)
        if self.model.update is not None:
            callbacks.append(Updates(self.model.update, state))
        return [*callbacks, *self.more]

    @property
    def _several(self) -> bool:
        return workers.are_several(self.model.distribute_strategy)
