"""Simulated crashes of a machine, after which only the contents of the disk remain."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

Tree = dict[str, bytes]
"""Contents of files by their paths in a folder."""
Names = dict[str, tuple[int, bool]]
"""Inode of each entry of a folder, and True for a folder."""


class Disk:
    """Disk under a folder. It has only the contents and the names that were synced.

    A file that was never synced is empty on the disk. The names in a folder are those of its last sync, or, if names
    are early, the current ones: a file system may write names before contents.

    Args:
        root: Folder that is on the disk when the simulation starts, with everything in it.

    Attributes:
        moments: Description of each moment, and the trees without and with early names. The moments are before and
            after each sync and each rename.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._contents: dict[int, bytes] = {}
        self._names: dict[int, Names] = {}
        self._held: list[int] = []
        self.moments: list[tuple[str, Tree, Tree]] = []
        for path in (root, *root.rglob("*")):
            handle = os.open(path, os.O_RDONLY)
            self.sync(handle)
            os.close(handle)

    def sync(self, handle: int) -> None:
        """Write the contents of an open file, or the names in an open folder, to the disk."""
        state = os.fstat(handle)
        self._held.append(os.dup(handle))  # No other file gets the inode.
        if stat.S_ISDIR(state.st_mode):
            self._names[state.st_ino] = _names(Path(f"/proc/self/fd/{handle}"))
        else:
            self._contents[state.st_ino] = os.pread(handle, state.st_size, 0)

    def after_crash(self, early: bool = False) -> Tree:
        """Return the files of the disk.

        Args:
            early: True if names are early.
        """
        return dict(self._files(self._root.stat().st_ino, "", early))

    def note(self, moment: str) -> None:
        """Add the current state of the disk to `moments`."""
        self.moments.append((moment, self.after_crash(), self.after_crash(early=True)))

    def close(self) -> None:
        """Release the inodes."""
        for handle in self._held:
            os.close(handle)

    def _files(self, inode: int, at: str, early: bool) -> Iterator[tuple[str, bytes]]:
        names = _names(self._root / at) if early else self._names.get(inode, {})
        for name, (child, is_folder) in names.items():
            if is_folder:
                yield from self._files(child, f"{at}{name}/", early)
            else:
                yield f"{at}{name}", self._contents.get(child, b"")


def _names(folder: Path) -> Names:
    return {path.name: (path.lstat().st_ino, path.is_dir()) for path in folder.iterdir()}


@contextmanager
def disk_under(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """Simulate the disk under a folder. The syncs and renames of this process are seen; nothing is really synced.

    Yields:
        Disk that notes its state before and after each sync and each rename.
    """
    disk, lock = Disk(root), threading.Lock()

    def noted(kind: str, do: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> None:
            path = Path(f"/proc/self/fd/{arguments[0]}").readlink() if kind == "sync" else arguments[-1]
            name = os.path.relpath(path, root)
            with lock:
                disk.note(f"before {kind} {name}")
                do(*arguments)
                disk.note(f"{kind} {name}")

        return call

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", noted("sync", disk.sync))
        patch.setattr(os, "rename", noted("rename", os.rename))
        patch.setattr(os, "replace", noted("rename", os.replace))
        yield disk
    disk.close()
