"""Changes that a run made, as the library recorded them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.faults.shim import ERRORS, KILLS, Change

_OF_DATABASE = re.compile(r"metadata\.sqlite")
_TOOK = "took"
_NUMBERS = re.compile(r"[0-9a-fA-F]{8,}|[0-9]+")


@dataclass(frozen=True)
class Event:
    """A line of a record.

    Attributes:
        change: The change.
        path: Real path.
        before: Real path before a rename; otherwise empty.
        fault: Whether this change failed.
    """

    change: Change
    path: str
    before: str
    fault: bool


def events(record: Path) -> Iterator[Event]:
    """Yield the changes of a record in order."""
    for line in record.read_text().splitlines() if record.exists() else ():
        mark, name, nth, path, before = line.split("\t")
        if mark != _TOOK:
            yield Event(Change(name, int(nth)), path, before, mark == "fault")


def sync_times(record: Path) -> dict[bool, tuple[int, float]]:
    """Return the number of syncs, and the seconds in which at least one was running, because threads sync together.

    Returns:
        True: those of the metadata store, False: all others.
    """
    spans: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
    for line in record.read_text().splitlines():
        mark, name, microseconds, _, start = line.split("\t")
        if mark == _TOOK:
            # SQLite also syncs the folder of its journal: the root, whose name is empty.
            of_store = bool(_OF_DATABASE.search(name)) or name == f"{_TOOK} "
            spans[of_store].append((int(start), int(start) + int(microseconds)))
    return {of_store: (len(found), _covered(found) / 1e6) for of_store, found in spans.items()}


def _covered(spans: list[tuple[int, int]]) -> int:
    """Return the length of the union of spans of time."""
    covered, end = 0, 0
    for first, last in sorted(spans):
        covered += max(0, last - max(first, end))
        end = max(end, last)
    return covered


@dataclass(frozen=True)
class Fault:
    """A fault to inject.

    Attributes:
        segment: Part of the run: name of a node, `Start`, or `Report`.
        kind: One of `KILLS` or `ERRORS`.
        change: Change that fails.
        part: Thousandths of the bytes of a torn write that reach the file.
    """

    segment: str
    kind: str
    change: Change
    part: int


def draw(segments: dict[str, list[Change]], random: Random) -> Fault:
    """Draw a fault. Each part of the run, kind of fault and name has the same chance, however often it occurs.

    Args:
        segments: Changes of an undisturbed run by its parts.
        random: Source of random numbers.
    """
    segment = random.choice(sorted(segments))
    kind = random.choice([*KILLS, *ERRORS])
    changes = segments[segment]
    if kind == "torn":
        changes = [change for change in changes if change.kind == "write"] or changes
    elif kind == "EIO":
        changes = [change for change in changes if change.kind not in ("mkdir", "link")] or changes
    elif kind == "ENOSPC":
        changes = [change for change in changes if change.kind in ("write", "create", "mkdir", "link")] or changes
    name = random.choice(sorted({change.name for change in changes}))
    change = random.choice([change for change in changes if change.name == name])
    return Fault(segment, kind, change, random.randrange(1000))


def unsynced(record: Path) -> list[Path]:
    """Return the files whose last contents were not synced when the recorded process was killed, sorted.

    Files of SQLite are left out: they also have contents that were synced.
    """
    dirty: set[str] = set()
    for event in events(record):
        if event.fault:
            continue
        if event.change.kind == "rename":
            moved = {path for path in dirty if path == event.before or path.startswith(event.before + "/")}
            dirty = (dirty - moved - {event.path}) | {event.path + path[len(event.before) :] for path in moved}
        elif event.change.kind in ("write", "truncate"):
            dirty.add(event.path)
        elif event.change.kind in ("sync", "unlink"):
            dirty.discard(event.path)
    return sorted(Path(path) for path in dirty if not _OF_DATABASE.search(path) and Path(path).is_file())


def lose(files: list[Path], random: Random) -> None:
    """Cut each file at a random byte, as a file system may after a power failure."""
    for file in files:
        size = file.stat().st_size
        with file.open("r+b") as handle:
            handle.truncate(random.randint(0, size))


def names(root: Path) -> set[str]:
    """Return the paths of all files and folders below a root, with their numbers replaced by `#`."""
    return {_NUMBERS.sub("#", str(path.relative_to(root))) for path in root.rglob("*")}
