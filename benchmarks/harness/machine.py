"""Description of the machine and the software of a measurement."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Self

PACKAGES = ("bigvocab", "tensorflow", "keras", "torch", "numpy")


@dataclass(frozen=True)
class Machine:
    """Machine and software of a measurement.

    Attributes:
        cpu: Model name of the CPU.
        virtual: True for a virtual machine.
        cores: Number of cores that this process may use.
        memory: Bytes of memory.
        load: Mean number of running processes over the last minute.
        versions: Versions of Python and of the installed packages in `PACKAGES`.
        date: Date of the measurement.
    """

    cpu: str
    virtual: bool
    cores: int
    memory: int
    load: float
    versions: dict[str, str]
    date: str

    def __str__(self) -> str:
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        kind = " (virtual machine)" if self.virtual else ""
        return (
            f"{self.cores} core{'s' if self.cores > 1 else ''} of {self.cpu}{kind}, {self.memory / 2**30:.0f} GiB, "
            f"load {self.load:.1f} before the start; {versions}; {self.date}"
        )


def this_machine() -> Machine:
    """Return a description of this machine."""
    about = _read("/proc/cpuinfo")
    name = re.search(r"^model name\s*:\s*(.*)$", about, re.MULTILINE)
    flags = re.search(r"^flags\s*:\s*(.*)$", about, re.MULTILINE)
    return Machine(
        cpu=name[1].strip() if name else platform.processor() or platform.machine(),
        virtual=bool(flags) and "hypervisor" in flags[1].split(),
        cores=len(os.sched_getaffinity(0)),
        memory=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        load=os.getloadavg()[0],
        versions={"python": platform.python_version(), **_versions()},
        date=datetime.date.today().isoformat(),
    )


def available_memory() -> int:
    """Return the bytes of memory that are available without swapping."""
    found = re.search(r"^MemAvailable:\s*(\d+) kB", _read("/proc/meminfo"), re.MULTILINE)
    return 1024 * int(found[1]) if found else os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def peak_memory() -> int:
    """Return the peak resident memory of this process in bytes, since its start or the last `forget_peak`."""
    return _status("VmHWM")


def resident_memory(process: int | None = None) -> int:
    """Return the bytes that are resident in a process now. None: in this process."""
    return _status("VmRSS", "self" if process is None else str(process))


class ChildrenWatch:
    """Context manager that samples the resident memory of this process's children every tenth of a second.

    Attributes:
        peak: Greatest sum over all children, in bytes.
    """

    def __init__(self) -> None:
        self.peak = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.1):
            self.look()

    def look(self) -> None:
        """Take a sample now."""
        pids = " ".join(_read(str(file)) for file in Path("/proc/self/task").glob("*/children")).split()
        self.peak = max(self.peak, sum(_status("VmRSS", pid) for pid in pids))


def forget_peak() -> None:
    """Reset `peak_memory`, if the kernel allows it."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _status(key: str, pid: str = "self") -> int:
    found = re.search(rf"^{key}:\s*(\d+) kB", _read(f"/proc/{pid}/status"), re.MULTILINE)
    return 1024 * int(found[1]) if found else 0


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
