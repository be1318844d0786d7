"""Claims, which are the files of a lease.

    .lease/run.12       claim number 12 of the lease `run`

The claim with the highest number holds the lease. A claim is created by a hard link to a complete file. The link fails
if the number exists, on NFS too, so of many processes that claim a number one succeeds: a compare-and-swap. The highest
claim stays when its holder ends, so that numbers only grow.

A claim has two lines: the holder as JSON, and the beat, a text that changes while the holder is alive. The holder
opens its claim for each beat, and writes the beat in place. On NFS, opening a file asks the server, while a listing of
the folder may be half a minute old. A new holder deletes the earlier claims, so their holders find out in either way.
"""

from __future__ import annotations

import contextlib
import errno
import os
import uuid
from dataclasses import dataclass
from pathlib import Path

from components.files import sync
from pipeline.lease.holder import Holder

RELEASED = "released"
_WIDTH = 12
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)
"""Errors of file systems without hard links. There, the file is created and then written."""


@dataclass(frozen=True)
class Claim:
    """Claim of a lease.

    Attributes:
        folder: Folder of the claims.
        name: Name of the lease.
        number: Fencing number, higher than those of all earlier claims of the lease.
    """

    folder: Path
    name: str
    number: int

    @property
    def path(self) -> Path:
        """File of the claim."""
        return self.folder / f"{self.name}.{self.number}"

    def read(self) -> bytes | None:
        """Return the contents, or None if a later claim has deleted this one."""
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None

    def write(self, beat: str) -> None:
        """Write a beat into the existing file.

        Raises:
            FileNotFoundError: A later claim has deleted this one.
            OSError: The file cannot be written.
        """
        handle = os.open(self.path, os.O_RDWR)
        try:
            os.pwrite(handle, f"{beat:<{_WIDTH}}".encode(), os.fstat(handle).st_size - _WIDTH - 1)
            os.fsync(handle)
        finally:
            os.close(handle)

    def create(self, holder: Holder, beat: str) -> bool:
        """Create the file, complete and in one step.

        Returns:
            False if another process has claimed the number.

        Raises:
            OSError: The file cannot be written. The error names it.
        """
        part = self.folder / f".{self.name}.{uuid.uuid4().hex[:8]}.part"
        content = f"{holder.to_json()}\n{beat:<{_WIDTH}}\n".encode()
        try:
            part.write_bytes(content)
            sync(part)
            created = self._link(part, content)
            sync(self.folder)
        except FileNotFoundError:  # The process that has just claimed the number has deleted the temporary file.
            return False
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from None  # The user knows no temporary file.
        finally:
            with contextlib.suppress(OSError):
                part.unlink()
        return created

    def _link(self, part: Path, content: bytes) -> bool:
        try:
            os.link(part, self.path)
        except FileExistsError:
            # On NFS the answer to a link that succeeded may be lost, and the second try then finds the link.
            return part.samefile(self.path)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            return self._write_new(content)
        return True

    def _write_new(self, content: bytes) -> bool:
        try:
            with self.path.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError:
            return False
        return True

    def forget_earlier(self) -> None:
        """Delete the earlier claims of the lease, and temporary files that killed processes left."""
        for path in self.folder.iterdir():
            name, number = _parts(path.name)
            left = path.name.startswith(f".{self.name}.") and path.suffix == ".part"
            if left or (name == self.name and number < self.number):
                with contextlib.suppress(OSError):
                    path.unlink()


def latest(folder: Path) -> dict[str, Claim]:
    """Return the highest claim of each lease by name. A missing folder has none."""
    found: dict[str, Claim] = {}
    with contextlib.suppress(FileNotFoundError):
        for entry in folder.iterdir():
            name, number = _parts(entry.name)
            if number > (found[name].number if name in found else 0):
                found[name] = Claim(folder, name, number)
    return found


def parse(content: bytes) -> tuple[Holder | None, bool]:
    """Return the holder, and True if it has released the lease. An incomplete claim has no holder."""
    line, _, beat = content.decode("utf-8", "replace").partition("\n")
    return Holder.from_json(line), beat.strip() == RELEASED


def _parts(entry: str) -> tuple[str, int]:
    """Return the name and the number of a claim by its file name; 0 for another file."""
    name, _, number = entry.rpartition(".")
    return name, int(number) if number.isdecimal() else 0
