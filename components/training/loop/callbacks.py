"""Callbacks that validate, save, stop and display a training."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import keras
import tensorflow as tf

from components.messages.formatting import on_terminal
from components.messages.progress import Progress
from components.training.devices.workers import ASKED_STEPS
from components.training.faults.not_finite import ValidationNotFinite
from components.training.loop.checkpoint import Checkpoints, TrainingState
from components.training.loop.plan import Plan
from components.training.loop.validation import Validator

# Steps between two points of TensorBoard's training curves.
SCALAR_STEPS = 100
# Steps between two checks that all steps had a finite loss. A check waits for the device.
CHECKED_STEPS = 100


class Callbacks(keras.callbacks.CallbackList):
    """Callback list that passes on the logs of a step without reading them.

    Keras would read the logs after every step, and wait for the device each time.
    """

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Call each callback with the logs as tensors."""
        for callback in self.callbacks:
            callback.on_train_batch_end(batch, logs=logs)


class Steps(keras.callbacks.Callback):
    """Callback that counts the steps, checks their losses, and saves checkpoints between validations.

    Must come first: the other callbacks read the step count, and must not validate or save after a loss that is not
    finite. If a training resumes between two validations, the callback restores the running means of its metrics.

    Args:
        checkpoints: Checkpoints of the training.
        state: State of the training; changed in place.
        interval: Steps between two validations.
        seconds: Seconds between two checkpoints.
        check: Function that raises an exception if the loss or a gradient of a step so far is not finite.
        agree: With several workers, function that returns True if any worker passes True. It makes all workers save
            after the same step.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        state: TrainingState,
        interval: int,
        seconds: float,
        check: Callable[[], None],
        agree: Callable[[bool], bool] | None = None,
    ) -> None:
        super().__init__()
        self._check, self._agree = check, agree
        self._checkpoints, self._state = checkpoints, state
        self._interval, self._seconds = interval, seconds
        self._mark = self._saved = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Restore the running means of the metrics if the training resumes inside the interval."""
        for metric in self.model.metrics:
            for variable, value in zip(metric.variables, self._state.running.get(metric.name, []), strict=False):
                variable.assign(value)
        self._mark = time.monotonic()
        if self._state.step % self._interval == 0:  # The last validation has saved a checkpoint.
            self._saved = self._mark

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Count the step and its time in seconds, and save a checkpoint if one is due."""
        state, now = self._state, time.monotonic()
        state.step += 1
        state.seconds += now - self._mark
        self._mark = now
        due = now - self._saved >= self._seconds
        if self._agree:
            due = state.step % ASKED_STEPS == 0 and self._agree(due)
        # At the end of an interval, the callback `Validation` saves.
        due = due and state.step % self._interval != 0
        if due or state.step % CHECKED_STEPS == 0:
            self._check()
        if due:
            state.running = {
                metric.name: [float(keras.ops.convert_to_numpy(variable)) for variable in metric.variables]
                for metric in self.model.metrics
            }
            self._checkpoints.save(state)
            self._mark = self._saved = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Check the losses before the validation."""
        self._check()


class Validation(keras.callbacks.Callback):
    """Callback that validates, keeps the best weights, saves, and stops a training that no longer improves.

    Must come before the callbacks that show its metrics, because it adds `val_...` and `learning_rate` to the logs.

    Args:
        validator: Validator that measures the model.
        checkpoints: Checkpoints of the training.
        state: State of the training; changed in place.
        plan: Plan of the training.
        patience: Number of validations without a better score, after which to stop; see `Validator.score`.
        errors: Function that returns a context for the errors of a validation.
        look: Function to call with the model as a validation measures it, or None.
    """

    def __init__(
        self,
        validator: Validator,
        checkpoints: Checkpoints,
        state: TrainingState,
        plan: Plan,
        patience: int,
        errors: Callable[[], AbstractContextManager[None]],
        look: Callable[[], None] | None = None,
    ) -> None:
        super().__init__()
        self._errors, self._look = errors, look
        self._validator, self._checkpoints, self.state = validator, checkpoints, state
        self._plan, self._patience = plan, patience

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Validate, record the metrics, save a checkpoint, and decide if the training ends.

        Raises:
            ValidationNotFinite: The objective is not finite.
        """
        logs = logs if logs is not None else {}
        state, started = self.state, time.monotonic()
        with self._errors():
            measured = self._validator.measure(self._look)
        objective = self._validator.objective
        if not math.isfinite(measured[objective]):
            raise ValidationNotFinite(
                f"the validation {objective} is {measured[objective]} after {state.step} steps: "
                "lower trainer.learning_rate, or look for an eval split without known labels"
            )
        record = {
            "epoch": state.step / self._plan.steps_per_pass,
            "step": state.step,
            "train_loss": float(logs["loss"]),
            **measured,
            "learning_rate": float(self.model.optimizer.learning_rate),
            "seconds": state.seconds,
            "examples_per_second": self._plan.interval * self._plan.batch / state.seconds,
            "validation_seconds": time.monotonic() - started,
        }
        state.validations.append(record)
        score = self._validator.score
        if state.best is None or score(record) < score(state.validations[state.best]):
            state.best = len(state.validations) - 1
            self._checkpoints.keep_best()
        state.finished = len(state.validations) >= self._plan.validations or state.since_best >= self._patience
        state.seconds, state.running = 0.0, {}
        self._checkpoints.save(state)
        self.model.stop_training = state.finished
        logs.update({f"val_{name}": value for name, value in measured.items()}, learning_rate=record["learning_rate"])


class Scalars(keras.callbacks.Callback):
    """Callback that writes the curves of TensorBoard.

    The callback writes a point to `train/` every `SCALAR_STEPS` steps, and to `validation/` at each validation.

    Args:
        directory: Folder of the run, in which the folders of the curves are created.
        state: State of the training.
        batch: Examples per step.
        interval: Steps between two validations.
    """

    def __init__(self, directory: str, state: TrainingState, batch: int, interval: int) -> None:
        super().__init__()
        self._train = tf.summary.create_file_writer(f"{directory}/train")
        self._validation = tf.summary.create_file_writer(f"{directory}/validation")
        self._state, self._batch, self._interval = state, batch, interval

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Start the sums of the next point."""
        self._mark = self._now = time.monotonic()
        # Keras reports the mean since the interval began. The mean between two points follows from differences of sums.
        self._first = epoch * self._interval
        self._seen = self._state.step - self._first
        self._sum = self._seen * float(self.model.get_metrics_result()["loss"]) if self._seen else 0.0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Write a point of the training curves if `SCALAR_STEPS` steps have passed."""
        self._now = time.monotonic()
        if logs and self._state.step - self._first - self._seen >= SCALAR_STEPS:
            self._point(float(logs["loss"]))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the metrics of the validation, and the last point of the interval."""
        logs = logs or {}
        if self._state.step - self._first > self._seen:  # A short training gets a point too.
            self._point(float(logs["loss"]))
        with self._validation.as_default(self._state.step):
            for name, value in logs.items():
                if name.startswith("val_"):
                    tf.summary.scalar(f"validation/{name.removeprefix('val_')}", value)
        self._train.flush()
        self._validation.flush()

    def close(self) -> None:
        """Close the files. Call it after the last `fit`."""
        self._train.close()
        self._validation.close()

    def _point(self, mean: float) -> None:
        steps_so_far = self._state.step - self._first
        steps = steps_so_far - self._seen
        # Measured at the last step, not now: at the end of an interval, a validation has run since.
        seconds = max(self._now - self._mark, 1e-9)
        with self._train.as_default(self._state.step):
            tf.summary.scalar("training/loss", (mean * steps_so_far - self._sum) / steps)
            tf.summary.scalar("training/learning_rate", float(self.model.optimizer.learning_rate))
            tf.summary.scalar("training/examples_per_second", steps * self._batch / seconds)
        self._mark, self._seen, self._sum = self._now, steps_so_far, mean * steps_so_far


class ProgressLine(keras.callbacks.Callback):
    """Callback that shows the rate, the time left and the losses.

    Args:
        state: State of the training.
        batch: Examples per step.
        steps: Steps of the whole training.
        shown: Names of the metrics of a validation, by their titles in the progress line.
        forms: Forms of these metrics, by the same titles.
    """

    def __init__(
        self, state: TrainingState, batch: int, steps: int, shown: Mapping[str, str], forms: Mapping[str, str]
    ) -> None:
        super().__init__()
        self._shown, self._forms = shown, forms
        self._state, self._batch = state, batch
        self._progress = Progress("training", steps * batch, "examples", state.step * batch)
        self._validation: dict[str, str] = {}
        self._interval_ended: float | None = None

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Show the number of examples so far, the loss and the last validation."""
        if self._interval_ended is not None:
            self._progress.pause(time.monotonic() - self._interval_ended)
            self._interval_ended = None
        # Reading a loss waits for the device, so the loss is read only when it is shown.
        loss = None if not logs else lambda: float(logs["loss"])
        self._progress.update(self._state.step * self._batch, loss=loss, **self._validation)
        if batch + 1 == self.params.get("steps"):
            self._interval_ended = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keep the metrics of the validation for the following steps."""
        logs = logs or {}
        values = {title: logs.get(f"val_{name}") for title, name in self._shown.items()}
        self._validation = {t: on_terminal(value, self._forms[t]) for t, value in values.items() if value is not None}

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """End the line, so that later output starts below it."""
        self._progress.close()
