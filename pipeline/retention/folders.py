"""Folders of a run's files: their sizes, and their removal, which a kill at any moment leaves to the next call."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from components.files import check_fence, is_remote, remove_tree

TRASH = ".trash"
"""Folder in the folder of the artifacts to which a folder is renamed before its deletion."""


def entries(folder: str) -> list[str]:
    """Return the names in a folder; an empty list if the folder does not exist."""
    if not tf.io.gfile.isdir(folder):
        return []
    return sorted(name.rstrip("/") for name in tf.io.gfile.listdir(folder))  # Object stores append a slash.


def outputs(artifacts: str) -> Iterator[tuple[str, str, int]]:
    """Yield the folders of the outputs of executions: path, node and id of the execution.

    An output of several artifacts has a numbered folder for each of them in the folder of the execution. A failed
    ingestion leaves its counts and bad rows in a folder `<execution>-failed`.
    """
    for node in entries(artifacts):
        for key in entries(f"{artifacts}/{node}") if not node.startswith(".") else ():
            for name in entries(f"{artifacts}/{node}/{key}") if not key.startswith(".") else ():
                if (number := name.removesuffix("-failed")).isdecimal():
                    folder = f"{artifacts}/{node}/{key}/{name}"
                    several = [part for part in entries(folder) if part.isdecimal()]
                    yield from ((f"{folder}/{part}", node, int(number)) for part in several)
                    if not several:
                        yield folder, node, int(number)


def working_folders(artifacts: str, execution: int, started: float) -> Iterator[str]:
    """Yield the folders in which TFX's launcher exchanged messages with earlier drivers and executors.

    Args:
        artifacts: Folder of the artifacts.
        execution: Id of an execution. The folders of executors of smaller ids are found.
        started: Time in seconds since the epoch. The folders of drivers before it are found.
    """
    limits = {"executor_execution": execution, "driver_execution": int(started * 1e6)}
    for node in entries(artifacts):
        for kind, limit in limits.items() if not node.startswith(".") else ():
            folder = f"{artifacts}/{node}/.system/{kind}"
            yield from (f"{folder}/{name}" for name in entries(folder) if name.isdecimal() and int(name) < limit)


def written_before(folder: str, suffix: str, started: float) -> list[str]:
    """Return the files with a suffix in a folder that were last written before a time."""
    paths = [f"{folder}/{name}" for name in entries(folder) if name.endswith(suffix)]
    # TensorFlow returns whole seconds, rounded down.
    return [path for path in paths if tf.io.gfile.stat(path).mtime_nsec / 1e9 + 1 < started]


def size(place: str) -> int:
    """Return the bytes of a file, or of the files in a folder."""
    if not tf.io.gfile.isdir(place):
        return tf.io.gfile.stat(place).length if tf.io.gfile.exists(place) else 0
    files = [f"{folder}/{name}" for folder, _, names in tf.io.gfile.walk(place) for name in names]
    return sum(Path(file).lstat().st_size if not is_remote(file) else tf.io.gfile.stat(file).length for file in files)


def remove(place: str, artifacts: str) -> None:
    """Delete a file or folder. A local folder vanishes by one rename, so that no reader sees a part of it.

    Another pod that removes the same place at the same time does no harm.

    Args:
        place: Path of the file or folder.
        artifacts: Folder of the artifacts, on the file system of `place`.
    """
    check_fence()
    with contextlib.suppress(FileNotFoundError, tf.errors.NotFoundError):
        if not tf.io.gfile.isdir(place):
            tf.io.gfile.remove(place)
        elif is_remote(place):
            remove_tree(place)
        else:
            hidden = Path(artifacts, TRASH, uuid.uuid4().hex)
            hidden.parent.mkdir(exist_ok=True)
            Path(place).rename(hidden)
            shutil.rmtree(hidden)
            if (parent := Path(place).parent).name.isdecimal():  # The output had several artifacts.
                with contextlib.suppress(OSError):  # It has others.
                    parent.rmdir()


def empty_trash(artifacts: str) -> None:
    """Delete the folders that a killed process had renamed."""
    if not is_remote(artifacts):
        shutil.rmtree(Path(artifacts, TRASH), ignore_errors=True)
