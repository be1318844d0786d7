"""Comparison of a run that was struck and run again with an undisturbed one."""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.faults.recording import names

_TOLERANCE = 1e-7
"""TFMA adds the sums of shards in varying order."""
_FIGURES = ("examples", "vocabularies", "metrics", "baselines", "slices", "bands", "blessed")
_LENGTH = 1e-3
_RECORD = "push.json"
"""File of a version with the time of the push."""
_CARD = "model_card"
"""Files of a version with the time at which they were written, whose sizes are compared."""


def differences(root: Path, reference: Path) -> list[str]:
    """Return how a root differs from that of an undisturbed run; an empty list if it does not.

    Compares the figures to 1e-7, the states in ML Metadata, and the names of all files and folders. `answers` compares
    the pushed models.
    """
    return [*partial_versions(root, reference), *_pushed(root, reference), *_figures(root, reference),
            *_running(root), *_leftovers(root, reference)]  # fmt: skip


def partial_versions(root: Path, reference: Path) -> list[str]:
    """Return how the files of the versions that a model server would load differ from those of an undisturbed run.

    The files with weights and graph are only compared by their sizes: TensorFlow writes the same content in varying
    order. `answers` compares the content.
    """
    (whole,) = versions(reference)
    expected, found = _files(whole), []
    for version in versions(root):
        have = _files(version)
        found += [f"{name} of version {version.name} is not whole" for name in sorted(expected.keys() | have.keys())
                  if not _alike(have.get(name), expected.get(name))]  # fmt: skip
    return found


def _files(folder: Path) -> dict[str, object]:
    """Return what must be equal in each file of a pushed model."""
    found: dict[str, object] = {}
    for path in (path for path in folder.rglob("*") if path.is_file()):
        if path.name == _RECORD:
            found[path.name] = sorted(json.loads(path.read_text()))
        elif path.parent.name in ("assets", "assets.extra") and path.stem != _CARD:
            found[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[path.name] = path.stat().st_size
    return found


def _alike(ours: object, theirs: object) -> bool:
    """Return whether two files are alike. The ids in graphs vary in length."""
    if isinstance(ours, int) and isinstance(theirs, int):
        return math.isclose(ours, theirs, rel_tol=_LENGTH, abs_tol=64)
    return ours == theirs


def versions(root: Path) -> list[Path]:
    """Return the folders of the pushed models, oldest first."""
    serving = root / "serving"
    return sorted(path for path in serving.iterdir() if path.name.isdigit()) if serving.is_dir() else []


def _pushed(root: Path, reference: Path) -> Iterator[str]:
    if len(found := versions(root)) != len(versions(reference)):
        yield f"{len(found)} pushed versions: {', '.join(version.name for version in found)}"


def _figures(root: Path, reference: Path) -> Iterator[str]:
    ours, theirs = (json.loads((each / "report" / "summary.json").read_text()) for each in (root, reference))
    for key in _FIGURES:
        yield from _unequal(key, ours.get(key), theirs.get(key))


def _unequal(key: str, ours: Any, theirs: Any) -> Iterator[str]:
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours.keys() == theirs.keys():
        for name in ours:
            yield from _unequal(f"{key}.{name}", ours[name], theirs[name])
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for n, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from _unequal(f"{key}[{n}]", one, other)
    elif isinstance(ours, float) and isinstance(theirs, float):
        if not math.isclose(ours, theirs, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
            yield f"{key}: {ours!r} instead of {theirs!r}"
    elif ours != theirs:
        yield f"{key}: {ours!r} instead of {theirs!r}"


def _running(root: Path) -> Iterator[str]:
    """Yield the executions that ML Metadata has as new or running."""
    with sqlite3.connect(f"file:{root}/metadata.sqlite?mode=ro", uri=True) as store:
        query = """SELECT Execution.id, Type.name, Execution.last_known_state FROM Execution
            JOIN Type ON Type.id = Execution.type_id WHERE Execution.last_known_state IN (1, 2)"""
        for number, name, state in store.execute(query):
            yield f"execution {number} ({name}) is {'running' if state == 2 else 'new'}"
        if (checked := store.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
            yield f"metadata.sqlite: {checked}"


def _leftovers(root: Path, reference: Path) -> Iterator[str]:
    for name in sorted(names(root) - names(reference)):
        yield f"left over: {name}"
    for name in sorted(names(reference) - names(root)):
        yield f"missing: {name}"
