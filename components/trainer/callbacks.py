"""What happens around the steps of a training: what is shown, what is kept, and when it ends."""

# TensorFlow's and Keras's annotations are narrower than what they take and give.
# pyright: reportOptionalMemberAccess=false

from __future__ import annotations

import math
import time
from typing import Any

import keras
import tensorflow as tf

from components.trainer.checkpoint import Checkpoints, TrainingState
from components.trainer.progress import Progress
from components.trainer.validation import Validator

# Steps between two points of TensorBoard's training curves.
SCALAR_STEPS = 100


class Validation(keras.callbacks.Callback):
    """Validates after every stretch of steps, keeps the best weights, saves, and stops a training that got no better.

    To stand before the callbacks that show what it measured: it adds `val_...`, `examples_per_second` and
    `learning_rate` to the logs.

    Args:
        validator: measures.
        checkpoints: keep.
        state: of the training; changed in place.
        batch: examples a step.
        steps_per_pass: steps that make one pass over the train split.
        stretches: how many there are by plan.
        patience: validations without a better nll after which to stop.
    """

    def __init__(
        self,
        validator: Validator,
        checkpoints: Checkpoints,
        state: TrainingState,
        *,
        batch: int,
        steps_per_pass: int,
        stretches: int,
        patience: int,
    ) -> None:
        super().__init__()
        self._validator, self._checkpoints, self.state = validator, checkpoints, state
        self._batch, self._steps_per_pass = batch, steps_per_pass
        self._stretches, self._patience = stretches, patience
        self._steps_before = 0
        self._started = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._steps_before = int(self.model.optimizer.iterations.numpy())
        self._started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = logs if logs is not None else {}
        step = int(self.model.optimizer.iterations.numpy())
        seconds = time.monotonic() - self._started
        rate = (step - self._steps_before) * self._batch / seconds
        measured = self._validator.measure()
        if not math.isfinite(measured["nll"]):
            raise ValueError(
                f"the validation nll is {measured['nll']} after {step} steps: "
                "lower trainer.learning_rate, or look for an eval split without known labels"
            )
        record = {
            "epoch": step / self._steps_per_pass,
            "step": step,
            "train_loss": float(logs["loss"]),
            **measured,
            "learning_rate": float(self.model.optimizer.learning_rate),
            "seconds": seconds,
            "examples_per_second": rate,
            "validation_seconds": time.monotonic() - self._started - seconds,
        }
        state = self.state
        state.validations.append(record)
        if state.best is None or record["nll"] < state.validations[state.best]["nll"]:
            state.best = len(state.validations) - 1
            self._checkpoints.keep_best()
        state.finished = len(state.validations) >= self._stretches or state.since_best >= self._patience
        self._checkpoints.save(state)
        self.model.stop_training = state.finished
        logs.update({f"val_{name}": value for name, value in measured.items()}, learning_rate=record["learning_rate"])


class Scalars(keras.callbacks.Callback):
    """Writes TensorBoard's curves: `train/` per step, `validation/` per validation.

    Args:
        directory: of the run; each curve's folder lies in it.
        batch: examples a step.
        every: steps between two points.
    """

    def __init__(self, directory: str, batch: int, every: int = SCALAR_STEPS) -> None:
        super().__init__()
        self._train = tf.summary.create_file_writer(f"{directory}/train")
        self._validation = tf.summary.create_file_writer(f"{directory}/validation")
        self._batch, self._every = batch, every

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._mark = time.monotonic()
        self._seen, self._sum = 0, 0.0
        self._steps, self._mean, self._now = 0, 0.0, self._mark

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if not logs:
            return
        self._steps, self._mean, self._now = batch + 1, float(logs["loss"]), time.monotonic()
        if self._steps - self._seen >= self._every:
            self._point()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._steps > self._seen:  # So that a short training has a point too.
            self._point()
        with self._validation.as_default(int(self.model.optimizer.iterations.numpy())):
            for name, value in (logs or {}).items():
                if name.startswith("val_"):
                    tf.summary.scalar(f"validation/{name.removeprefix('val_')}", value)
        self._train.flush()
        self._validation.flush()

    def _point(self) -> None:
        # The time of the last step: at the end of a stretch others have validated since.
        now, total, steps = self._now, self._mean * self._steps, self._steps - self._seen
        with self._train.as_default(int(self.model.optimizer.iterations.numpy())):
            # Keras reports the mean since the stretch began: its differences are the means in between.
            tf.summary.scalar("training/loss", (total - self._sum) / steps)
            tf.summary.scalar("training/learning_rate", float(self.model.optimizer.learning_rate))
            tf.summary.scalar("training/examples_per_second", steps * self._batch / (now - self._mark))
        self._mark, self._seen, self._sum = now, self._steps, total


class ProgressLine(keras.callbacks.Callback):
    """Shows rate, time left and losses.

    Args:
        batch: examples a step.
        steps: of the whole training.
        done: steps of an earlier, interrupted run.
    """

    def __init__(self, batch: int, steps: int, done: int = 0) -> None:
        super().__init__()
        self._batch, self._step = batch, done
        self._progress = Progress("training", steps * batch, "examples", done * batch)
        self._validation: dict[str, float | None] = {}
        self._stretch_ended: float | None = None

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self._stretch_ended is not None:
            self._progress.pause(time.monotonic() - self._stretch_ended)
            self._stretch_ended = None
        self._step += 1
        loss = float(logs["loss"]) if logs else None
        self._progress.update(self._step * self._batch, loss=loss, **self._validation)
        if batch + 1 == self.params.get("steps"):
            self._stretch_ended = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = logs or {}
        nll = logs.get("val_nll")
        perplexity = None if nll is None else math.exp(nll)
        self._validation = {"validation perplexity": perplexity, "recall@10": logs.get("val_recall_at_10")}

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._progress.close()
