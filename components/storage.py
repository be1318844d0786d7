"""Detection of file system faults in the various errors that libraries raise for them."""

from __future__ import annotations

import errno
import getpass
import os
import re
import resource
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.messages.formatting import in_bytes
from components.messages.own_errors import is_own

_WHAT = {
    errno.ENOSPC: "No space left on device",
    errno.EDQUOT: "Disk quota exceeded",
    errno.EFBIG: "File too large",
    errno.EIO: "Input/output error",
    errno.EROFS: "Read-only file system",
    errno.EACCES: "Permission denied",
}
_SAME = {errno.EPERM: errno.EACCES}
# Patterns for error texts of TensorFlow, Arrow and SQLite, and for the traces that Beam makes of any error.
_TEXTS = {
    errno.ENOSPC: r"No space left on device|database or disk is full|\[errno 28\]",
    errno.EDQUOT: r"Disk quota exceeded|\[errno 122\]",
    errno.EFBIG: r"File too large|\[errno 27\]",
    errno.EIO: r"Input/output error|\[errno 5\]",
    errno.EROFS: r"Read-only file system|\[errno 30\]",
    errno.EACCES: r"Permission denied|\[errno 13\]",
}
# SQLite uses these texts for several faults, so the file system itself is probed for the fault.
# Python looks for a folder for temporary files by writing to each, and does not say why it found none.
_UNCLEAR = re.compile(
    "unable to open database file|disk I/O error|attempt to write a readonly database"
    "|No usable temporary directory found",
    re.IGNORECASE,
)
_FAILED = re.compile("disk I/O error|attempt to write a readonly database", re.IGNORECASE)
"""Texts among these that mean a failing disk if it is neither full nor protected now."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_SHARED_MEMORY = "/dev/shm"
"""File system of the semaphores of worker processes."""
_NEARLY_NOTHING = 64 << 10
_ROOM = 1 << 30
_OTHER_SYSTEM = "The file system allows no larger files: choose another --root."
_ELSEWHERE = "now: if that is enough, the disk of another machine is full"


@dataclass(frozen=True)
class StorageFault:
    """Failure to write or open a file.

    Attributes:
        number: Fault, as an `errno`: ENOSPC, EDQUOT, EFBIG, EIO, EROFS or EACCES.
        path: File or its folder.
        named: True if the error names the path. Otherwise the path is the most likely one.
        needed: Bytes that did not fit, at least; 0 if unknown.
        temporary: True if the path is in the folder for temporary files, and the place of the outputs is not.
    """

    number: int
    path: str
    named: bool = True
    needed: int = 0
    temporary: bool = False

    @property
    def is_full(self) -> bool:
        """True if a file system, a quota or a file is full."""
        return self.number in _FULL

    @property
    def what(self) -> str:
        """One line with the fault, its path and, for a full file system, the bytes that are needed and free now."""
        needed = f"; about {in_bytes(self.needed)} needed" if self.needed and self.is_full else ""
        line = f"{_WHAT[self.number]}: {self.path}{needed}"
        if self.number == errno.EFBIG and (limit := _limit()):
            return f"{line}; the limit is {in_bytes(limit)} for each file"
        usage = _usage(self.path)
        if self.number != errno.ENOSPC or usage is None:
            return line
        free = usage.f_bavail * usage.f_frsize
        joined = f"{line}{',' if needed else ';'} {free_space(self.path)}"
        if free == 0 or _no_inode(usage) or free < self.needed:
            return joined
        elsewhere = not self.named and free > _ROOM
        return f"{joined} {_ELSEWHERE if elsewhere else 'is too little'}"

    @property
    def advice(self) -> str:
        """Remedy, as a sentence."""
        if self.number == errno.EROFS:
            return "Mount it writable, or choose another --root."
        if self.number == errno.EACCES:
            return f"Give user {_user()} access to it, or choose another place."
        if self.number == errno.EIO:
            return "Check the disk, or the connection to it, or choose another --root."
        if self.number == errno.EFBIG:
            return "Raise the limit with `ulimit -f`, or choose another --root." if _limit() else _OTHER_SYSTEM
        if self.path == _SHARED_MEMORY:
            return "Free some space there, or give the container more shared memory."
        if self.temporary:
            return "Free some space there, or set TMPDIR to another folder."
        return "Free some space, or choose another --root."

    def __str__(self) -> str:
        return f"{self.what}. {self.advice}"


def storage_fault(error: BaseException | str, place: str, needed: int = 0) -> StorageFault | None:
    """Find a file system fault in an error, or in the errors that led to it.

    Texts of BigVocab's own errors are ignored, because they may quote a user's data. An error that was only being
    handled when another was raised counts only for a full file system or quota. The program may have handled a missing
    permission.

    Args:
        error: Exception, or its text.
        place: Path on the file system that is written to, for errors that name no path.
        needed: Estimate of the bytes that did not fit, for errors that do not say it; 0 if unknown.

    Returns:
        Fault, or None if the error has another cause.
    """
    found: list[StorageFault] = []
    for link, led_to_it in [(error, True)] if isinstance(error, str) else _chain(error):
        number, path = _of(link, place)
        if number is None or not (led_to_it or number in _FULL):
            continue
        if number == errno.EACCES and not path:  # Without a path, the error may be from a socket or a server.
            continue
        likely = path or _fullest(place)
        found.append(
            StorageFault(number, likely, bool(path), _needed(link, needed, number), _only_temporary(likely, place))
        )
    # On a full disk one write after another fails. The first failure is the cause.
    named = [fault for fault in found if fault.named and fault.number == found[0].number]
    return (named or found or [None])[-1]


def is_full(place: str) -> bool:
    """Return True if the file system is full: less than 64 KiB is free, or no inode."""
    usage = _usage(place)
    if usage is None or not usage.f_blocks:  # Some network file systems do not tell their size.
        return False
    return usage.f_bavail * usage.f_frsize < _NEARLY_NOTHING or _no_inode(usage)


def full_temporary_folder() -> str:
    """Return the folder for temporary files if its file system is full, otherwise an empty text."""
    folder = _temporary()
    return folder if is_full(folder) else ""


def free_bytes(place: str) -> int | None:
    """Return the free space of a path's file system in bytes; None if it is unknown, as in an object store."""
    usage = _usage(place)
    return usage.f_bavail * usage.f_frsize if usage else None


def free_space(place: str) -> str:
    """Return the free space of a path's file system, as `0 bytes free of 12.6 MB`.

    A path that does not exist stands for its nearest existing folder.
    """
    usage = _usage(place)
    if usage is None:
        return "free space unknown"
    if _no_inode(usage):
        return f"no inode free of {usage.f_files:,}"
    return f"{in_bytes(usage.f_bavail * usage.f_frsize)} free of {in_bytes(usage.f_blocks * usage.f_frsize)}"


def _chain(error: BaseException) -> Iterator[tuple[BaseException, bool]]:
    """Yield an error and the errors before it, latest first.

    The flag is True if the error led to the last error, and False if it was only being handled.
    """
    seen: set[int] = set()
    waiting: list[tuple[BaseException, bool]] = [(error, True)]
    while waiting:
        link, led_to_it = waiting.pop(0)
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link, led_to_it
        if isinstance(link, BaseExceptionGroup):
            waiting += [(inner, led_to_it) for inner in link.exceptions]
        if link.__cause__ is not None:
            waiting.append((link.__cause__, led_to_it))
        elif link.__context__ is not None and not link.__suppress_context__:
            waiting.append((link.__context__, False))


def _of(error: BaseException | str, place: str) -> tuple[int | None, str]:
    """Return the `errno` of the fault or None, and the path that the error names or an empty string."""
    if isinstance(error, OSError):
        number = _SAME.get(error.errno or 0, error.errno or 0)
        if number in _WHAT:
            names = [os.fsdecode(n) for n in (error.filename, error.filename2) if isinstance(n, str | bytes)]
            return number, names[-1] if names else ""
    if is_own(error):
        return None, ""
    text = str(error)
    for number, pattern in _TEXTS.items():
        if re.search(pattern, text, re.IGNORECASE):
            return number, _path_in(text, pattern)
    return (_probed(place, text), place) if _UNCLEAR.search(text) else (None, "")


def _path_in(text: str, pattern: str) -> str:
    """Find the path in a message of Python, `No space left on device: '/path'`, or TensorFlow, `/path; No space ...`.

    Other paths in the text may be from a trace.
    """
    after = re.search(rf"(?:{pattern})[^\n:]*: b?(['\"])(/.*?)\1(?: -> b?(['\"])(/.*?)\3)?", text, re.IGNORECASE)
    if after:
        return after[4] or after[2]
    # HDF5: `filename = '/path', ..., error message = 'No space left on device'`.
    hdf5 = re.search(rf"filename = '(/.*?)'[^\n]*(?:{pattern})", text, re.IGNORECASE)
    if hdf5:
        return hdf5[1]
    before = re.search(rf"(?:^|\s)(/[^;\n]*?); (?:{pattern})", text, re.IGNORECASE)
    return before[1] if before else ""


def _probed(place: str, text: str) -> int | None:
    """Return the current fault of a path's file system, or that of an unclear text; None if there is none."""
    usage = _usage(place)
    if usage is None:
        return None
    if is_full(place):
        return errno.ENOSPC
    if usage.f_flag & os.ST_RDONLY:
        return errno.EROFS
    readable = os.access(_nearest(place), os.R_OK | os.W_OK) and os.access(_nearest(place).parent, os.W_OK)
    if not readable:
        return errno.EACCES
    return errno.EIO if _FAILED.search(text) else None


def _needed(error: BaseException | str, estimate: int, number: int) -> int:
    """Return the bytes that did not fit: the size of the file if the error knows it, but not less than the estimate."""
    return max(estimate, getattr(error, "needed", 0)) if number in _FULL else 0


def _only_temporary(path: str, place: str) -> bool:
    """Return True if a path is in the folder for temporary files, and the place of the outputs is not."""
    folder = _temporary()
    return Path(path).absolute().is_relative_to(folder) and not Path(place).absolute().is_relative_to(folder)


def _fullest(place: str) -> str:
    """Return the path, or, if its file system is not full, a full folder for temporary files or shared memory."""
    if is_full(place):
        return place
    return next((other for other in (_temporary(), _SHARED_MEMORY) if is_full(other)), place)


def _temporary() -> str:
    """Return the folder for temporary files, even if Python finds none because all of them are full."""
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:
        return os.environ.get("TMPDIR", "/tmp")


def _limit() -> int:
    """Return the limit of this process on the size of a file in bytes, or 0."""
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return 0 if limit == resource.RLIM_INFINITY else limit


def _usage(place: str) -> os.statvfs_result | None:
    if "://" in place:
        return None
    try:
        return os.statvfs(_nearest(place))
    except OSError:
        return None


def _nearest(place: str) -> Path:
    """Return the path, or its nearest existing parent."""
    path = Path(place).absolute()
    return next((p for p in (path, *path.parents) if os.path.lexists(p)), Path("/"))


def _no_inode(usage: os.statvfs_result) -> bool:
    return usage.f_files > 0 and usage.f_favail == 0


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # In a container, a user id may have no name.
        return str(os.getuid())
