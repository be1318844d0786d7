"""What a training needs to go on where it stopped."""

# TensorFlow's and Keras's annotations are narrower than what they take and give.
# pyright: reportArgumentType=false

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from components.progress import note

# Complete saves of a training that are kept: should the last one be damaged, the one before serves.
KEPT_SAVES = 2
# Trainings that were left unfinished and are kept beside the present one, the latest first.
KEPT_TRAININGS = 2
# A training that has saved within this time may still be at work.
LIVE_SECONDS = 24 * 3_600
_INDEX = ".index"


@dataclasses.dataclass
class TrainingState:
    """Where a training stands, beside its weights.

    Attributes:
        step: steps done.
        first_iteration: the optimizer's count of steps when this training began; above 0 after a warm start.
        validations: one record each, in order: see `callbacks.Validation`.
        best: index of the best validation so far.
        finished: no more steps are wanted, by plan or by early stopping.
        seconds: time that the steps since the last validation took.
        warm_start: what was taken from an earlier model: see `warm_start.start_from`.
        running: of the metrics since the last validation, their variables' values by the metric's name.
    """

    step: int = 0
    first_iteration: int = 0
    validations: list[dict[str, float]] = dataclasses.field(default_factory=list)
    best: int | None = None
    finished: bool = False
    seconds: float = 0.0
    warm_start: dict[str, Any] | None = None
    running: dict[str, list[float]] = dataclasses.field(default_factory=dict)

    @property
    def since_best(self) -> int:
        """Validations after the best one."""
        return 0 if self.best is None else len(self.validations) - 1 - self.best


class Checkpoints:
    """Keeps the variables, the best weights and the state of a training.

    A save is one file of data and one index, written last; each tensor in it has a checksum. What a kill or a full disk
    left of a save is told by these, and the save before it is taken.

    Args:
        directory: of this training alone.
        model: built.
        variables: what else a training consists of: the optimizer's variables above all.
        writes: False for those of several workers that only read.
    """

    def __init__(
        self,
        directory: str,
        model: keras.Model,
        variables: Sequence[keras.Variable | tf.Variable],
        writes: bool = True,
    ) -> None:
        self._writes = writes
        self._model, self._directory = model, directory
        self._best = [tf.Variable(value, trainable=False) for value in model.get_weights()]
        self._state = tf.Variable("", dtype=tf.string, trainable=False)
        self._checkpoint = tf.train.Checkpoint(
            model=[v.value for v in model.weights],
            optimizer=[v.value if isinstance(v, keras.Variable) else v for v in variables],
            best=self._best,
            state=self._state,
        )

    def restore(self) -> TrainingState | None:
        """Takes up the last complete save, if there is one, and deletes whatever else lies there."""
        found = None
        for name in unfinished(self._directory):
            note(f"{name}: this checkpoint was never finished, the last whole one is taken")
        for prefix in reversed(saves(self._directory)):
            if found is None and (fault := damage(prefix)):
                note(f"{Path(prefix).name}: this checkpoint is damaged ({fault}), the one before it is tried")
            elif found is None:
                found = prefix
        self._delete_but(saves(self._directory, up_to=found)[-KEPT_SAVES:] if found else [])
        if found is None:
            return None
        self._checkpoint.read(found).assert_consumed()
        return TrainingState(**json.loads(self._state.numpy().decode()))

    def save(self, state: TrainingState) -> None:
        """Writes a save, then deletes those that it makes superfluous."""
        if not self._writes:
            return
        self._state.assign(json.dumps(dataclasses.asdict(state)))
        tf.io.gfile.makedirs(self._directory)
        self._checkpoint.write(f"{self._directory}/step-{state.step:010}")
        self._delete_but(saves(self._directory)[-KEPT_SAVES:])

    def keep_best(self) -> None:
        """Remembers the model's weights as the best so far."""
        for kept, value in zip(self._best, self._model.get_weights(), strict=True):
            kept.assign(value)

    def best_weights(self) -> list:
        return [kept.numpy() for kept in self._best]

    def remove(self) -> None:
        """Deletes the directory."""
        if tf.io.gfile.exists(self._directory):
            tf.io.gfile.rmtree(self._directory)

    def _delete_but(self, kept: Sequence[str]) -> None:
        if not self._writes:
            return
        names = {Path(prefix).name for prefix in kept}
        for entry in _entries(self._directory):
            path = f"{self._directory}/{entry}"
            if entry.split(".")[0] in names:
                continue
            if tf.io.gfile.isdir(path):  # What TensorFlow was still writing.
                tf.io.gfile.rmtree(path)
            else:
                tf.io.gfile.remove(path)


def saves(directory: str, up_to: str | None = None) -> list[str]:
    """The saves in a training's directory, whole or damaged, the oldest first; `up_to` is the last one wanted."""
    names = sorted(name.removesuffix(_INDEX) for name in _entries(directory) if name.endswith(_INDEX))
    prefixes = [f"{directory}/{name}" for name in names]
    return prefixes if up_to is None else prefixes[: prefixes.index(up_to) + 1]


def unfinished(directory: str) -> list[str]:
    """The saves that have no index: they were being written when the training ended."""
    entries = _entries(directory)
    indexed = {name.removesuffix(_INDEX) for name in entries if name.endswith(_INDEX)}
    return sorted({name.split(".")[0].removesuffix("_temp") for name in entries if name.startswith("step-")} - indexed)


def damage(prefix: str) -> str | None:
    """What is wrong with a save; None if every tensor in it can be read and matches its checksum."""
    try:
        reader = tf.compat.v1.train.NewCheckpointReader(prefix)
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except (tf.errors.OpError, ValueError, RuntimeError, LookupError) as error:
        return str(error).splitlines()[0][:120]
    return None


def remove_abandoned(root: str, current: str) -> list[str]:
    """Deletes the checkpoints of trainings that nobody took up again.

    The latest few stay, and so do those of a training that may be at work at this moment.

    Args:
        root: holds a directory for each training.
        current: the directory that is in use here.

    Returns:
        The deleted directories.
    """
    others = [f"{root}/{entry}" for entry in _entries(root) if entry != Path(current).name]
    written = {path: _last_written(path) for path in others if tf.io.gfile.isdir(path)}
    old = sorted(written, key=lambda path: written[path], reverse=True)[KEPT_TRAININGS:]
    gone = [path for path in old if time.time() - written[path] > LIVE_SECONDS]
    for path in gone:
        tf.io.gfile.rmtree(path)
    return gone


def training_key(parts: Sequence[str], files: Sequence[str]) -> str:
    """Names a training by what it depends on, so that only the same training takes its checkpoints up.

    Args:
        parts: configuration, code, vocabularies and the model it starts from, as text.
        files: the data; their names without folders and their sizes count, since folders change from run to run.
    """
    digest = hashlib.sha256()
    for part in [*parts, *sorted(f"{Path(file).name} {tf.io.gfile.stat(file).length}" for file in files)]:
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:16]


def _entries(directory: str) -> list[str]:
    # Object stores list folders with a slash at the end.
    return [e.rstrip("/") for e in tf.io.gfile.listdir(directory)] if tf.io.gfile.isdir(directory) else []


def _last_written(directory: str) -> float:
    """Seconds since 1970."""
    paths = [directory, *(f"{directory}/{entry}" for entry in _entries(directory))]
    try:
        return max(tf.io.gfile.stat(path).mtime_nsec for path in paths) / 1e9
    except tf.errors.NotFoundError:  # Whoever took it away between is at work there.
        return time.time()
