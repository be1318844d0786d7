"""Versions of a model under one directory, as TensorFlow Serving expects them: `DIRECTORY/<integer>/saved_model.pb`."""

from __future__ import annotations

import contextlib
import fcntl
import filecmp
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from components.files import commit, make_folder, sync

STAGING_PREFIX = ".incoming-"


def versions(directory: Path) -> list[int]:
    """Return the versions that a model server sees, ascending. A missing directory has none."""
    if not directory.is_dir():
        return []
    return sorted(int(entry.name) for entry in directory.iterdir() if entry.name.isdecimal() and entry.is_dir())


def push(model: Path, directory: Path, clock: Callable[[], float] = time.time) -> Path:
    """Copy the model to a new version beside the older ones, in one atomic step.

    The files are copied to a hidden directory that model servers ignore, and synced to disk. One `rename` then gives
    the directory its version name. A reader of `directory` therefore sees the whole version or none of it. An exception
    deletes the copy, and the next push deletes the copy that a killed process left. Older versions stay.

    Nothing is copied if the newest version equals this model byte by byte. A push that was interrupted after the rename
    can therefore be repeated without a second version.

    Args:
        model: Directory of a SavedModel.
        directory: Directory on a POSIX file system; created if missing.
        clock: Function that returns the seconds since the Unix epoch. The version is this number, or the newest
            version + 1 if that is greater.

    Returns:
        The directory of the version.

    Raises:
        FileNotFoundError: `model` has no `saved_model.pb`.
        OSError: The copy failed, and no version was created.
    """
    if not (model / "saved_model.pb").is_file():
        raise FileNotFoundError(f"{model} is no SavedModel: it has no saved_model.pb")
    make_folder(directory)
    with _locked(directory) as alone:
        if alone:
            for left in directory.glob(f"{STAGING_PREFIX}*"):
                shutil.rmtree(left)
        existing = versions(directory)
        if existing and same_files(model, directory / str(existing[-1])):
            sync(directory)  # The earlier push may have been killed after the rename.
            return directory / str(existing[-1])
        staging = directory / f"{STAGING_PREFIX}{uuid.uuid4().hex}"
        try:
            shutil.copytree(model, staging, copy_function=shutil.copyfile)
            target = directory / str(max(int(clock()), existing[-1] + 1 if existing else 0))
            commit(staging, target)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
        return target


def same_files(one: Path, other: Path) -> bool:
    """Return True if two directories hold the same files with the same bytes."""
    names = [{path.relative_to(root) for path in root.rglob("*") if path.is_file()} for root in (one, other)]
    return names[0] == names[1] and all(filecmp.cmp(one / name, other / name, shallow=False) for name in names[0])


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[bool]:
    """Lock the directory against other pushes. Yield False if the file system has no locks (some NFS)."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)
