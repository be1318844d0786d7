"""Versions of a model under one directory, as TensorFlow Serving expects them: `DIRECTORY/<integer>/saved_model.pb`."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import filecmp
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from components.files import commit, make_folder, remove_tree, sync, write_whole
from components.messages.exit_codes import UserError
from components.messages.spelling import did_you_mean
from components.pushing import records

STAGING_PREFIX = ".incoming-"
MAIN_FILE = "saved_model.pb"
_LISTED = 10
"""Versions in a message, at most."""


def versions(directory: Path) -> list[int]:
    """Return the versions that a model server sees, ascending. A missing directory has none."""
    if not directory.is_dir():
        return []
    return sorted(int(entry.name) for entry in directory.iterdir() if entry.name.isdecimal() and entry.is_dir())


class Withdrawn(Exception):
    """Push of a model that the current rollback has replaced."""


class LinkOutside(UserError):
    """Model with a link to a place outside its folder, whose contents a push would publish."""


class RollbackError(UserError):
    """Rollback that is not possible."""


def push(
    model: Path,
    directory: Path,
    clock: Callable[[], float] = time.time,
    metrics: records.Metrics | None = None,
    previous: records.Metrics | None = None,
    cards: Mapping[str, str] | None = None,
) -> Path:
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
        metrics: Metrics of the model, for the record of the version.
        previous: Metrics of the last blessed model on the same rows, for the record. None if there was no such model.
        cards: Texts of the model card, by their path in the version. If the newest version equals this model, only its
            card is replaced.

    Returns:
        The directory of the version.

    Raises:
        FileNotFoundError: `model` has no `saved_model.pb`.
        LinkOutside: A file of the model is a link to a place outside its folder.
        Withdrawn: The newest version is a rollback that replaced this model.
        OSError: The copy failed, and no version was created.
    """
    if not (model / MAIN_FILE).is_file():
        raise FileNotFoundError(f"{model} is no SavedModel: it has no {MAIN_FILE}")
    refuse_links_outside(model)
    make_folder(directory)
    with _locked(directory) as alone:
        existing = _settled(directory, alone)
        digest = records.digest(model)
        if existing:
            newest = directory / str(existing[-1])
            if same_files(model, newest):
                _write_cards(newest, cards)
                sync(directory)  # The earlier push may have been killed after the rename.
                return newest
            record = records.read(newest)
            if record and digest in record.withdrawn:
                raise Withdrawn(
                    f"a rollback has replaced this model by version {record.repeats}, and stays until a new model is "
                    "blessed; `bigvocab versions` lists the versions, and `bigvocab rollback VERSION` publishes one"
                )
        now = clock()
        record = records.Record(pushed=_utc(now), digest=digest, metrics=metrics or {}, previous=previous)
        return _publish(model, directory, _next(existing, now), shutil.copyfile, record, cards)


def rollback(directory: Path, version: int | None = None, clock: Callable[[], float] = time.time) -> Path:
    """Publish an older version again under a new, higher number, in one atomic step as `push` does.

    The new version has hard links to the files of the older one, or copies where the file system has no links. Each
    version is therefore complete without the others. The new version records the models that it replaces, so that a
    repeated push of one of them does not undo the rollback.

    Args:
        directory: Directory of the versions.
        version: Version to publish again. None: the version before the newest. If the newest is itself a rollback, the
            version before the one that it repeats, since those after it were withdrawn.
        clock: Function that returns the seconds since the Unix epoch, as in `push`.

    Returns:
        The directory of the new version.

    Raises:
        RollbackError: No such version exists, or model servers already see its model.
        LinkOutside: A file of the version is a link to a place outside its folder.
        OSError: The copy failed, and no version was created.
    """
    if not versions(directory):
        raise RollbackError(f"{directory} has no version: no model was pushed yet; `bigvocab run` pushes one")
    with _locked(directory) as alone:
        existing = _settled(directory, alone)
        newest = directory / str(existing[-1])
        record = records.read(newest)
        version = _before(directory, existing, record) if version is None else version
        source = directory / str(version)
        if version not in existing:
            raise RollbackError(f"{directory} has no version {version}{_nearest(version, existing)}")
        if source == newest or same_files(source, newest):
            raise RollbackError(f"model servers already see the model of version {version}{_listed(existing)}")
        if not (source / MAIN_FILE).is_file():
            raise RollbackError(f"{source} is no SavedModel: it has no {MAIN_FILE}; choose another version")
        refuse_links_outside(source)
        old = records.read(source)
        digest = old.digest if old else records.digest(source)
        origin = old.repeats if old and old.repeats in existing else version
        withdrawn = {_digest(directory / str(later)) for later in existing if later > origin}
        withdrawn |= set(record.withdrawn if record else ())
        now = clock()
        about = {"pushed": _utc(now), "digest": digest, "repeats": origin, "withdrawn": sorted(withdrawn - {digest})}
        about = {**(old.model_dump() if old else {}), **about}
        return _publish(source, directory, _next(existing, now), _link, records.Record.model_validate(about))


def prune(directory: Path, keep: int) -> list[int]:
    """Delete the versions beyond the newest ones. The version that the last rollback repeats stays.

    Each version vanishes by one rename, so that no model server sees a part of it. Nothing else reads these folders:
    the Evaluator and the Trainer read earlier models from the artifacts.

    Args:
        directory: Directory of the versions.
        keep: Number of newest versions that stay, at least 2.

    Returns:
        The deleted versions, ascending.

    Raises:
        ValueError: `keep` is less than 2.
        OSError: A version cannot be deleted.
    """
    if keep < 2:
        raise ValueError(f"keep={keep}: the newest version and the one before it must stay")
    with _locked(directory) as alone:
        existing = _settled(directory, alone)
        repeated = (records.read(directory / str(version)) for version in reversed(existing))
        target = next((record.repeats for record in repeated if record and record.repeats), None)
        deleted = [version for version in existing[:-keep] if version != target]
        for version in deleted:
            hidden = directory / f"{STAGING_PREFIX}{uuid.uuid4().hex}"
            (directory / str(version)).rename(hidden)
            remove_tree(str(hidden))
        return deleted


def refuse_links_outside(model: Path) -> None:
    """Check that no link in a model points outside its folder.

    Raises:
        LinkOutside: A link points outside.
    """
    inside = model.resolve()
    for folder, folders, names in os.walk(model):
        for path in (Path(folder, name) for name in (*folders, *names)):
            if path.is_symlink() and not path.resolve().is_relative_to(inside):
                raise LinkOutside(
                    f"{path} is a link to a place outside the model, which would be published: remove the link"
                )


def same_files(one: Path, other: Path) -> bool:
    """Return True if two directories hold the same files with the same bytes, apart from the records of pushes."""
    first, second = records.files(one), records.files(other)
    return first.keys() == second.keys() and all(
        path.samefile(second[name]) or filecmp.cmp(path, second[name], shallow=False) for name, path in first.items()
    )


def _settled(directory: Path, alone: bool) -> list[int]:
    """Return the versions, after the removal of what killed processes left. Only a process with the lock removes."""
    if alone:
        for left in directory.glob(f"{STAGING_PREFIX}*"):
            remove_tree(str(left))
    return versions(directory)


def _publish(
    source: Path,
    directory: Path,
    version: int,
    copy: Callable[[str, str], Any],
    record: records.Record,
    cards: Mapping[str, str] | None = None,
) -> Path:
    """Copy the files to a hidden directory, sync them, and rename the directory to the version."""
    staging = directory / f"{STAGING_PREFIX}{uuid.uuid4().hex}"
    try:
        shutil.copytree(source, staging, copy_function=copy)
        records.write(staging, record)
        _write_cards(staging, cards)
        # `copytree` copies the time of the source, and `bigvocab predict` finds the last push of all runs by its time.
        os.utime(staging)
        target = directory / str(version)
        commit(staging, target)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return target


def _write_cards(version: Path, cards: Mapping[str, str] | None) -> None:
    """Write the texts of the card, each in one step. A hard link to the file of another version is not followed."""
    for name, text in (cards or {}).items():
        write_whole(version / name, text)


def _next(existing: list[int], now: float) -> int:
    return max(int(now), existing[-1] + 1 if existing else 0)


def _utc(now: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(int(now), datetime.UTC)


def _digest(version: Path) -> str:
    record = records.read(version)
    return record.digest if record else records.digest(version)


def _before(directory: Path, existing: list[int], newest: records.Record | None) -> int:
    """Return the version before the newest, or before the version that the newest repeats."""
    if len(existing) == 1:
        raise RollbackError(f"{directory} has only version {existing[0]}: a rollback needs an earlier version")
    current = newest.repeats if newest and newest.repeats else existing[-1]
    earlier = [version for version in existing if version < current]
    if not earlier:
        raise RollbackError(
            f"{directory} has no version before {current}, which the current version repeats{_listed(existing)}"
        )
    return earlier[-1]


def _nearest(version: int, existing: list[int]) -> str:
    return f"{did_you_mean(str(version), map(str, existing), cutoff=0)}{_listed(existing)}"


def _listed(existing: list[int]) -> str:
    newest = ", ".join(str(version) for version in existing[: -_LISTED - 1 : -1])
    more = f" and {len(existing) - _LISTED} earlier ones" if len(existing) > _LISTED else ""
    return f"\nVersions, newest first: {newest}{more}"


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


def _link(source: str, target: str) -> None:
    """Link a file of a version to another version. Model servers and pushes never write into a version."""
    try:
        os.link(os.path.realpath(source), target)
    except OSError:  # The file system has no links, allows no more of them, or the file is on another one.
        shutil.copyfile(source, target)
