"""What a training needs to go on where it stopped."""

# TensorFlow's and Keras's annotations are narrower than what they take and give.
# pyright: reportArgumentType=false

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import keras
import tensorflow as tf


@dataclasses.dataclass
class TrainingState:
    """Where a training stands, beside its weights.

    Attributes:
        validations: one record each, in order: see `callbacks.Validation`.
        best: index of the best validation so far.
        finished: no more steps are wanted, by plan or by early stopping.
    """

    validations: list[dict[str, float]] = dataclasses.field(default_factory=list)
    best: int | None = None
    finished: bool = False

    @property
    def since_best(self) -> int:
        """Validations after the best one."""
        return 0 if self.best is None else len(self.validations) - 1 - self.best


class Checkpoints:
    """Keeps model, optimizer, best weights and state of a training, each save whole or not at all.

    Args:
        directory: of this training alone.
        model: built.
        optimizer: built.
    """

    def __init__(self, directory: str, model: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
        self._model, self._directory = model, directory
        self.best = [tf.Variable(value, trainable=False) for value in model.get_weights()]
        self._state = tf.Variable("", dtype=tf.string, trainable=False)
        checkpoint = tf.train.Checkpoint(
            model=[v.value for v in model.weights],
            optimizer=[v.value for v in optimizer.variables],
            best=self.best,
            state=self._state,
        )
        # TensorFlow writes the data, then renames the index, then names it the latest. The one before stays until then.
        self._manager = tf.train.CheckpointManager(checkpoint, directory, max_to_keep=2)

    def restore(self) -> TrainingState | None:
        """Takes up the last complete save, if there is one."""
        if not self._manager.latest_checkpoint:
            return None
        self._manager.checkpoint.restore(self._manager.latest_checkpoint).assert_consumed()
        return TrainingState(**json.loads(self._state.numpy().decode()))

    def save(self, state: TrainingState) -> None:
        self._state.assign(json.dumps(dataclasses.asdict(state)))
        self._manager.save()

    def keep_best(self) -> None:
        """Remembers the model's weights as the best so far."""
        for kept, value in zip(self.best, self._model.get_weights(), strict=True):
            kept.assign(value)

    def best_weights(self) -> list:
        return [kept.numpy() for kept in self.best]

    def remove(self) -> None:
        """Deletes the directory."""
        if tf.io.gfile.exists(self._directory):
            tf.io.gfile.rmtree(self._directory)


def training_key(parts: Sequence[str], files: Sequence[str]) -> str:
    """Names a training by what it depends on, so that only the same training takes its checkpoints up.

    Args:
        parts: configuration, code and vocabularies, as text.
        files: the data; their names without folders and their sizes count, since folders change from run to run.
    """
    digest = hashlib.sha256()
    for part in [*parts, *sorted(f"{Path(file).name} {tf.io.gfile.stat(file).length}" for file in files)]:
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:16]
