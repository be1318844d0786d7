"""Folders that one test process makes, and all test processes read."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Callable
from pathlib import Path


class Once:
    """Maker of folders, each of which is made once in a run of pytest, by the first process that needs it.

    Args:
        root: Folder that the test processes share.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._used: set[str] = set()

    def folder(self, name: str, make: Callable[[Path], object]) -> Path:
        """Return the folder of this name. `make(folder)` fills it if no process has done so.

        No test may write to the folder afterwards; see `check`.
        """
        folder, made = self._root / name, self._made(name)
        with self._root.joinpath(f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                shutil.rmtree(folder, ignore_errors=True)  # Left by a call that failed.
                folder.mkdir()
                make(folder)
                made.write_text(json.dumps(_files(folder)))
        self._used.add(name)
        return folder

    def check(self) -> None:
        """Raise `AssertionError` if a test changed a folder, which could influence other tests."""
        for name in self._used:
            assert _files(self._root / name) == json.loads(self._made(name).read_text()), f"{name} was changed"

    def _made(self, name: str) -> Path:
        return self._root / f"{name}.json"


def _files(folder: Path) -> dict[str, list[int]]:
    """Return the size and the time of the last change of each file."""
    stats = {str(path.relative_to(folder)): path.stat() for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: [stat.st_size, stat.st_mtime_ns] for name, stat in stats.items()}
