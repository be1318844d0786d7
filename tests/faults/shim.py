"""The library that records and breaks changes of files, and its use in a process."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")
KILLS = ("kill", "torn", "power")
"""Faults that end the process group: before a change; in the middle of a write; and with the loss of all contents that
were not synced."""
ERRORS = ("ENOSPC", "EIO")
"""Errors of a change: a full disk, which stays full until the process ends, and one failure of the disk."""


@dataclass(frozen=True)
class Change:
    """A change of a file or folder.

    Attributes:
        name: Kind, and path below the root in which numbers and random names are replaced by `#`.
        nth: Number of the change among those of this name, from 1.
    """

    name: str
    nth: int

    @property
    def kind(self) -> str:
        """`write`, `sync`, `rename`, `unlink`, `mkdir`, `create`, `truncate` or `link`."""
        return self.name.partition(" ")[0]


@dataclass(frozen=True)
class Arms:
    """Setting of the library in a process.

    Attributes:
        root: Folder whose changes count.
        record: File to which a line is added for each change. The counters are in the file beside it.
        change: Change that fails; None: all changes are only recorded.
        fault: One of `KILLS` or `ERRORS`; empty without a change.
        part: Thousandths of the bytes of a torn write that reach the file.
    """

    root: str
    record: str
    change: Change | None = None
    fault: str = ""
    part: int = 0

    def _fields(self) -> tuple[str, str, str, str, int, str, int]:
        change = self.change or Change("", 0)
        fault = "kill" if self.fault == "power" else self.fault
        return self.root, f"{self.record}.state", self.record, change.name, change.nth, fault, self.part

    def environment(self) -> dict[str, str]:
        """Return the variables with which a program that loads the library takes the arms when it starts."""
        return {"BIGVOCAB_FAULTS": "|".join(map(str, self._fields()))}

    def take(self) -> None:
        """Record the changes of this process from now on, and those of its child processes."""
        os.environ.update(self.environment())
        fields = (field.encode() if isinstance(field, str) else field for field in self._fields())
        ctypes.CDLL(None).bv_arm(*fields)


def lay_down() -> None:
    """Record no further changes of this process."""
    os.environ.pop("BIGVOCAB_FAULTS", None)
    ctypes.CDLL(None).bv_disarm()


def compiler() -> str | None:
    """Return the C compiler of this machine; None if there is none."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def build(folder: Path) -> Path:
    """Compile the library.

    Raises:
        RuntimeError: This machine has no C compiler.
        CalledProcessError: The compiler refuses the library. Its standard error says why.
    """
    found = compiler()
    if not found:
        raise RuntimeError("no C compiler")
    library = folder / "shim.so"
    command = [found, "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    return library
