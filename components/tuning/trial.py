"""Training of one trial."""

from __future__ import annotations

import dataclasses
import gc
import math
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import keras
import tensorflow as tf

from components.choices import Choices, merged
from components.training.faults.not_finite import NotFinite, ValidationNotFinite
from components.training.faults.out_of_memory import OutOfMemory
from components.training.loop.checkpoint import TrainingState
from components.training.loop.validation import Validator
from components.training.run import Training, spec_of
from components.training.spec import TrainerSpec
from components.tuning.space import tree
from components.tuning.study import Attempt

LEAST_VALIDATIONS = 4
"""Validations of a trial, at least, so that a bad trial can be stopped early."""
_CHECKED_SECONDS = 1.0


class Pruned(Exception):
    """Signal that a trial is worse than the median of the trials before it."""


class OutOfTime(Exception):
    """Signal that the time of the search is over."""


# AutoGraph would take seconds to rewrite the source of the traced functions, as in `run_fn`.
@tf.autograph.experimental.do_not_convert
def run_trial(arguments: Any, attempt: Attempt, folder: str, left: Callable[[], float]) -> str:
    """Train with the values of a trial, and record its result. The training resumes from its last checkpoint, if any.

    Args:
        arguments: Arguments of the training with the values of the configuration: see `components.training.run`.
        attempt: The trial.
        folder: Folder of the checkpoints and of TensorBoard's logs of this trial.
        left: Function that returns the seconds that remain at the start of the trial. `inf` lets the trial end.

    Returns:
        The outcome for people: an empty string for a complete trial, or the reason why it was stopped.

    Raises:
        OutOfTime: The time is over. The trial stays as it is, and can go on later.
    """
    training = None
    watches: list[Watch] = []

    def watched(state: TrainingState, validator: Validator) -> list[keras.callbacks.Callback]:
        watches.append(Watch(attempt, state, validator, left()))
        return [*watches]

    cause = ""
    try:
        training = Training(trial_arguments(arguments, attempt, folder), None)
        training.start()
        training.fit(watched)
        attempt.complete(watches[-1].best_score)
    except Pruned:
        cause = "worse than the median of the trials before it"
    except NotFinite:
        cause = "the loss became infinite or not a number"
    except OutOfMemory as error:
        cause = f"out of memory: {error}".splitlines()[0]
    except ValidationNotFinite:
        cause = "the validation became infinite or not a number"
    if cause:
        attempt.stop(cause)
    if training is not None:
        training.discard()
    del training
    watches.clear()
    keras.backend.clear_session()
    gc.collect()
    return cause


def trial_arguments(arguments: Any, attempt: Attempt, folder: str) -> Any:
    """Return the arguments of the training of a trial.

    Args:
        arguments: Arguments with the values of the configuration.
        attempt: The trial.
        folder: Folder of this trial.
    """
    choices = Choices.of(arguments.hyperparameters)
    tuned = merged(tree(attempt.values), _validated_more(spec_of(arguments), attempt))
    return SimpleNamespace(
        **{
            **vars(arguments),
            "hyperparameters": {**dataclasses.asdict(choices), "tuned": tuned},
            "custom_config": {**arguments.custom_config, "checkpoints": f"{folder}/checkpoints"},
            "model_run_dir": folder,
            "base_model": None,
        }
    )


def _validated_more(spec: TrainerSpec, attempt: Attempt) -> dict[str, Any]:
    """Return the keys for at least `LEAST_VALIDATIONS` validations, with the patience in the same examples."""
    epochs = attempt.values.get("trainer.epochs", spec.epochs)
    often = max(spec.validations_per_epoch, math.ceil(LEAST_VALIDATIONS / epochs))
    return {
        "validations_per_epoch": often,
        "patience": math.ceil(spec.patience * often / spec.validations_per_epoch),
    }


class Watch(keras.callbacks.Callback):
    """Callback that records the validations of a trial, and stops it.

    Must come after the callback that validates and saves.

    Args:
        attempt: The trial.
        state: State of the training.
        validator: Validator of the training.
        left: Seconds after which the trial stops.
    """

    def __init__(self, attempt: Attempt, state: TrainingState, validator: Validator, left: float) -> None:
        super().__init__()
        self._attempt, self._state, self._validator = attempt, state, validator
        self._left = left
        self._began = self._checked = time.monotonic()

    @property
    def best_score(self) -> float:
        """Score of the best validation."""
        return self._validator.score(self._state.validations[self._state.best or 0])

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Check the time, at most once a second.

        Raises:
            OutOfTime: The time is over.
        """
        now = time.monotonic()
        if now - self._checked < _CHECKED_SECONDS:
            return
        self._checked = now
        if now - self._began > self._left:
            self._attempt.spend(now - self._began)
            raise OutOfTime

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Record the validation.

        Raises:
            Pruned: The trial is worse than the median of the earlier trials at the same validation.
        """
        state = self._state
        self._attempt.spend(time.monotonic() - self._began)
        score = self._validator.score(state.validations[-1])
        worse = self._attempt.report(len(state.validations), score, state.validations[state.best or 0])
        if worse and not state.finished:
            raise Pruned
