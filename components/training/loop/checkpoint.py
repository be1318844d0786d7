"""Checkpoints from which a training resumes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from components.files import check_fence, commit, is_remote, make_folder, remove_tree
from components.messages.progress import note

# Complete checkpoints that are kept. If the last checkpoint is damaged, the previous one is restored.
KEPT_SAVES = 2
# Other, unfinished trainings whose checkpoints are kept, the latest first.
KEPT_TRAININGS = 2
# A training that has saved a checkpoint within this time may still be running.
LIVE_SECONDS = 24 * 3_600
_INDEX = ".index"
_STEP = "step-"


@dataclasses.dataclass
class TrainingState:
    """State of a training, apart from its weights.

    Attributes:
        step: Number of completed steps.
        first_iteration: Step count of the optimizer when this training began; above 0 after a warm start.
        validations: Records of the validations, in order; see `callbacks.Validation`.
        best: Index of the best validation so far.
        finished: True if the training has ended, by plan or by early stopping.
        seconds: Duration of the steps since the last validation.
        warm_start: Summary of the weights taken from an earlier model; see `warm_start.transfer.start_from`.
        running: Values of the variables of the metrics since the last validation, by the name of the metric.
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
        """Number of validations since the best one."""
        return 0 if self.best is None else len(self.validations) - 1 - self.best


class Checkpoints:
    """Checkpoints of the variables, the best weights and the state of a training.

    A checkpoint consists of a data file and an index. The index is written last, and each tensor has a checksum. A
    missing index or a wrong checksum reveals a checkpoint that a kill or a full disk left incomplete. In this case the
    previous checkpoint is restored.

    Args:
        directory: Folder that belongs to this training only.
        model: Built model.
        variables: Further variables of the training, above all those of the optimizer.
        fixed: Weights of the model that do not change and that are already set, which checkpoints leave out.
        writes: False for workers that only read the checkpoints.
        others: Folders of other processes for the same training, which this one only reads. See `folders`.
    """

    def __init__(
        self,
        directory: str,
        model: keras.Model,
        variables: Sequence[keras.Variable | tf.Variable],
        fixed: Sequence[keras.Variable] = (),
        writes: bool = True,
        others: Sequence[str] = (),
    ) -> None:
        self._writes, self._others = writes, others
        self._model, self._directory = model, directory
        left_out = {id(v) for v in fixed}
        self._weights = [v for v in model.weights if id(v) not in left_out]
        self._best = [tf.Variable(v.numpy(), trainable=False) for v in self._weights]
        self._state = tf.Variable("", dtype=tf.string, trainable=False)
        self._checkpoint = tf.train.Checkpoint(
            model=[v.value for v in self._weights],
            optimizer=[v.value if isinstance(v, keras.Variable) else v for v in variables],
            best=self._best,
            state=self._state,
        )

    def restore(self) -> TrainingState | None:
        """Restore the last complete checkpoint, and return its state, or None without a complete checkpoint.

        Keep the restored checkpoint and the one before it. If `writes` is set, delete everything else in the folder.
        """
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
            elsewhere = [prefix for folder in self._others for prefix in saves(folder)]
            steps_first = sorted(elsewhere, key=lambda prefix: Path(prefix).name, reverse=True)
            found = next((prefix for prefix in steps_first if damage(prefix) is None), None)
        if found is None:
            return None
        self._checkpoint.read(found).assert_consumed()
        return TrainingState(**json.loads(self._state.numpy().decode()))

    def save(self, state: TrainingState) -> None:
        """Write a checkpoint and sync it to the disk, then delete all but the last `KEPT_SAVES` checkpoints."""
        if not self._writes:
            return
        check_fence()
        self._state.assign(json.dumps(dataclasses.asdict(state)))
        name = f"{_STEP}{state.step:010}"
        if is_remote(self._directory):
            self._checkpoint.write(f"{self._directory}/{name}")
        else:
            self._write_aside(name)
        self._delete_but(saves(self._directory)[-KEPT_SAVES:])

    def _write_aside(self, name: str) -> None:
        """Write a checkpoint into a folder of its own, then give its files their final names, the index last.

        TensorFlow writes for seconds. If this process was stopped meanwhile and its lease was taken over, it leaves no
        file among those of its successor.
        """
        folder = Path(self._directory)
        part = folder / f"{name}.{uuid.uuid4().hex[:8]}.part"
        make_folder(folder)
        try:
            self._checkpoint.write(f"{part}/{name}")
            # TensorFlow may leave the folder of its temporary files.
            files = [file for file in part.iterdir() if file.is_file()]
            for file in sorted(files, key=lambda file: file.suffix == _INDEX):
                commit(file, folder / file.name)
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def last_step(self) -> int | None:
        """Return the step of the last checkpoint, or None without a checkpoint."""
        found = saves(self._directory)
        return int(Path(found[-1]).name.removeprefix(_STEP)) if found else None

    def keep_best(self) -> None:
        """Keep a copy of the model's weights as the best so far."""
        for kept, variable in zip(self._best, self._weights, strict=True):
            kept.assign(variable.numpy())

    def best_weights(self) -> list:
        """Return the weights that `keep_best` copied, in the order of the model's weights."""
        best = {id(variable): kept for variable, kept in zip(self._weights, self._best, strict=True)}
        return [best.get(id(variable), variable).numpy() for variable in self._model.weights]

    def remove(self) -> None:
        """Delete the folder of the checkpoints."""
        check_fence()
        if tf.io.gfile.exists(self._directory):
            remove_tree(self._directory)

    def _delete_but(self, kept: Sequence[str]) -> None:
        if not self._writes:
            return
        check_fence()
        names = {Path(prefix).name for prefix in kept}
        for entry in _entries(self._directory):
            path = f"{self._directory}/{entry}"
            if entry.split(".")[0] in names:
                continue
            if tf.io.gfile.isdir(path):  # Temporary folder that TensorFlow was still writing.
                remove_tree(path)
            else:
                tf.io.gfile.remove(path)


def saves(directory: str, up_to: str | None = None) -> list[str]:
    """Return the indexed checkpoints in a training's folder, intact or damaged, oldest first.

    Args:
        directory: Folder of the training.
        up_to: Last checkpoint to return, or None to return all.
    """
    names = sorted(name.removesuffix(_INDEX) for name in _entries(directory) if name.endswith(_INDEX))
    prefixes = [f"{directory}/{name}" for name in names]
    return prefixes if up_to is None else prefixes[: prefixes.index(up_to) + 1]


def newest_step(root: str, since: float) -> int | None:
    """Return the step of the newest checkpoint of any training that was written since a time; None without one.

    Args:
        root: Folder that holds a folder for each training.
        since: Seconds since the epoch.
    """
    saved = [prefix for entry in _entries(root) for prefix in saves(f"{root}/{entry}")]
    written = [(tf.io.gfile.stat(f"{prefix}{_INDEX}").mtime_nsec / 1e9, prefix) for prefix in saved]
    time_, prefix = max(written, default=(0.0, ""))
    return int(Path(prefix).name.removeprefix(_STEP)) if prefix and time_ >= since else None


def unfinished(directory: str) -> list[str]:
    """Return the names of the checkpoints without an index: the training ended while it was writing them."""
    entries = _entries(directory)
    indexed = {name.removesuffix(_INDEX) for name in entries if name.endswith(_INDEX)}
    return sorted({name.split(".")[0].removesuffix("_temp") for name in entries if name.startswith(_STEP)} - indexed)


def damage(prefix: str) -> str | None:
    """Return the fault of a checkpoint, or None if every tensor can be read and matches its checksum."""
    try:
        reader = tf.compat.v1.train.NewCheckpointReader(prefix)
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except (tf.errors.OpError, ValueError, RuntimeError, LookupError) as error:
        return str(error).splitlines()[0][:120]
    return None


def remove_abandoned(root: str, current: str) -> list[str]:
    """Delete the checkpoints of trainings that were never resumed.

    Keep the checkpoints of the latest `KEPT_TRAININGS` other trainings, and of all trainings that may still be running.

    Args:
        root: Folder that holds a folder for each training.
        current: Folder of this training.

    Returns:
        Deleted folders.
    """
    others = [f"{root}/{entry}" for entry in _entries(root) if entry != Path(current).name]
    written = {path: _last_written(path) for path in others if tf.io.gfile.isdir(path)}
    old = sorted(written, key=lambda path: written[path], reverse=True)[KEPT_TRAININGS:]
    gone = [path for path in old if time.time() - written[path] > LIVE_SECONDS]
    check_fence()
    for path in gone:
        remove_tree(path)
    return gone


def folders(root: str, key: str, execution: str) -> tuple[str, list[str]]:
    """Return the folder of this process for the checkpoints of a training, and folders that it may only read.

    On a file system, the lease of the root keeps a second process from training. An object store has no leases.
    There, each execution of the Trainer has its own folder, so that two runs never write the same checkpoints. All
    tries of one run have the same execution. A new run resumes from the last checkpoint of an earlier one.

    Args:
        root: Folder that holds a folder for each training.
        key: Name of the training.
        execution: Name of the execution.
    """
    if not is_remote(root):
        return f"{root}/{key}", []
    own = f"{key}-{execution}"
    return f"{root}/{own}", [
        f"{root}/{entry}" for entry in _entries(root) if entry.startswith(f"{key}-") and entry != own
    ]


def training_key(parts: Sequence[str], files: Sequence[str]) -> str:
    """Return a name for a training, computed from its inputs, so that only the same training resumes its checkpoints.

    Args:
        parts: Configuration, code, vocabularies and base model, as text.
        files: Data files. Only their names without folders and their sizes count, since folders change between runs.
    """
    digest = hashlib.sha256()
    for part in [*parts, *sorted(f"{Path(file).name} {tf.io.gfile.stat(file).length}" for file in files)]:
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:16]


def _entries(directory: str) -> list[str]:
    # Object stores list folders with a slash at the end.
    return [e.rstrip("/") for e in tf.io.gfile.listdir(directory)] if tf.io.gfile.isdir(directory) else []


def _last_written(directory: str) -> float:
    """Return the time of the last write to a folder, in seconds since 1970."""
    paths = [directory, *(f"{directory}/{entry}" for entry in _entries(directory))]
    try:
        return max(tf.io.gfile.stat(path).mtime_nsec for path in paths) / 1e9
    except tf.errors.NotFoundError:  # A file was deleted since the folder was listed: the training is running.
        return time.time()
