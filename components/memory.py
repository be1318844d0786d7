"""Memory of this machine or container, and detection of a lack of memory in the various errors that libraries raise."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path

from components.messages.formatting import in_bytes
from components.messages.own_errors import is_own

# Limit and use of a container, of cgroup version 2 and version 1.
_CGROUPS = (
    ("sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory.current"),
    ("sys/fs/cgroup/memory/memory.limit_in_bytes", "sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
# Texts of TensorFlow, Arrow, C++ and Python, and of Beam for a worker process that the system has killed.
_TEXTS = re.compile(
    r"OOM when allocating|out of memory|std::bad_alloc|\bMemoryError\b|ArrowMemoryError|Cannot allocate memory"
    r"|Worker subprocess exited with return code -9\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Memory:
    """Memory in bytes.

    Attributes:
        total: Memory of the machine, or the limit of the container if that is lower.
        free: Memory that can still be allocated.
    """

    total: int
    free: int

    def __str__(self) -> str:
        return f"{in_bytes(self.free)} free of {in_bytes(self.total)}"


def memory(root: Path = Path("/")) -> Memory:
    """Return the memory of this machine or container.

    Args:
        root: Root of the file system.
    """
    page = os.sysconf("SC_PAGE_SIZE")
    total, free = os.sysconf("SC_PHYS_PAGES") * page, os.sysconf("SC_AVPHYS_PAGES") * page
    # The kernel's estimate counts the caches that it can drop.
    if found := re.search(r"^MemAvailable:\s+(\d+) kB", _text(root / "proc/meminfo"), re.MULTILINE):
        free = int(found[1]) << 10
    for limit, use in _CGROUPS:
        most, used = _text(root / limit), _text(root / use)
        if most.isdigit() and used.isdigit() and int(most) < total:
            total, free = int(most), min(free, max(0, int(most) - int(used)))
    return Memory(total, free)


def reset_peak() -> bool:
    """Make `peak` measure from now on, and return True if this system can."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def peak() -> int | None:
    """Return the greatest resident memory of this process since `reset_peak` in bytes; None if it is unknown."""
    found = re.search(r"^VmHWM:\s+(\d+) kB", _text(Path("/proc/self/status")), re.MULTILINE)
    return int(found[1]) << 10 if found else None


def lacks_memory(error: BaseException) -> bool:
    """Return True if an error, or an error that led to it, says that memory could not be allocated."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        if isinstance(link, MemoryError) or (isinstance(link, OSError) and link.errno == errno.ENOMEM):
            return True
        # BigVocab's own errors may quote a user's data.
        if not is_own(link) and _TEXTS.search(str(link)):
            return True
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return False


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
