"""Processes that hold a lease, and their state as far as this process can see it."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

State = Literal["gone", "running", "stopped", "elsewhere"]
"""State of a process: `elsewhere` if this process cannot see it."""
_PROC = Path("/proc")
_BOOT = _PROC / "sys/kernel/random/boot_id"
_STATE, _START = 0, 19
"""Fields of `/proc/PID/stat` behind the name of the command: the state, and the start in clock ticks since the boot."""


@dataclass(frozen=True)
class Machine:
    """Machine as the processes on it see it. A container is a machine of its own.

    Attributes:
        host: Name of the host.
        boot: Id of the boot of the kernel. After a reboot, the process ids of before mean nothing.
        processes: Name space of the process ids. Containers on one kernel have their own.
    """

    host: str
    boot: str
    processes: str

    @classmethod
    def this(cls) -> Machine:
        """Return the machine of this process."""
        boot = processes = ""
        with contextlib.suppress(OSError):
            boot = _BOOT.read_text().strip()
            processes = str((_PROC / "self/ns/pid").readlink())
        return cls(socket.gethostname(), boot, processes)


@dataclass(frozen=True)
class Holder:
    """Process that holds a lease.

    Attributes:
        machine: Machine of the process.
        pid: Process id.
        ticks: Start of the process, in clock ticks since the boot; 0 if unknown. It tells the process from a later one
            with the same id.
        command: Command that runs in the process.
        run: Id of the run.
        since: Time of the start of the lease on the clock of the machine. For people only: clocks of machines differ.
    """

    machine: Machine
    pid: int
    ticks: int
    command: str
    run: str
    since: str

    @classmethod
    def this(cls, command: str, run: str, machine: Machine | None = None) -> Holder:
        """Return this process as a holder that starts now."""
        since = datetime.datetime.now().strftime("%Y-%m-%d %H:%M:%S")
        pid = os.getpid()
        ticks = (_seen(pid) or ("running", 0))[1]
        return cls(machine or Machine.this(), pid, ticks, command, run, since)

    def state(self, machine: Machine) -> State:
        """Return the state of the process, as seen by a process on a machine."""
        if self.machine != machine or not machine.boot:
            return "elsewhere"
        seen = _seen(self.pid)
        if seen is None:
            return "gone"
        state, ticks = seen
        return "gone" if ticks and self.ticks and ticks != self.ticks else state

    def to_json(self) -> str:
        """Return the holder as a line of JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Holder | None:
        """Return the holder that `to_json` wrote, or None for another text."""
        try:
            found = json.loads(line)
            return cls(**{**found, "machine": Machine(**found["machine"])})
        except (ValueError, TypeError, KeyError):
            return None

    def __str__(self) -> str:
        run = f", run {self.run}" if self.run else ""
        return f"process {self.pid} on host {self.machine.host} ({self.command}, started {self.since}{run})"


def _seen(pid: int) -> tuple[State, int] | None:
    """Return the state and the start of a process on this machine, or None if it has ended."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        # A system without `/proc`, or one that hides the processes of other users.
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except OSError:
            pass
        return "running", 0
    if fields[_STATE] in "ZX":  # It has ended, and only its exit code is left.
        return None
    return "stopped" if fields[_STATE] in "Tt" else "running", int(fields[_START])
