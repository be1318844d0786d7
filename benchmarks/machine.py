"""The machine and the software that figures belong to."""

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
    """Where something was measured.

    Attributes:
        cpu: the model's name.
        virtual: whether it is a virtual machine.
        cores: that this process may use.
        memory: bytes.
        load: running processes, mean of the minute before.
        versions: of the packages that are installed.
        date: of the measurement.
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
    """What can be found out about this one."""
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
    """Bytes that can still be had without swapping."""
    found = re.search(r"^MemAvailable:\s*(\d+) kB", _read("/proc/meminfo"), re.MULTILINE)
    return 1024 * int(found[1]) if found else os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def peak_memory() -> int:
    """Bytes: the most that was resident in this process at a time, since its start or `forget_peak`."""
    return _status("VmHWM")


def resident_memory() -> int:
    """Bytes resident in this process now."""
    return _status("VmRSS")


class ChildrenWatch:
    """Looks every tenth of a second at what is resident in the child processes of this one, as long as it is entered.

    Attributes:
        peak: bytes: the most in all of them together.
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
        """Looks now."""
        pids = " ".join(_read(str(file)) for file in Path("/proc/self/task").glob("*/children")).split()
        self.peak = max(self.peak, sum(_status("VmRSS", pid) for pid in pids))


def forget_peak() -> None:
    """Lets `peak_memory` start anew, where the kernel allows it."""
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
