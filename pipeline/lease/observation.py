"""Observation of the claims of other processes, by the clock of this one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.lease import claims
from pipeline.lease.claims import Claim
from pipeline.lease.holder import Holder, Machine, State

WHOLE = "root"
"""Name of the lease that excludes all leases of its root. Other leases exclude each other only if names are equal."""


def _clock() -> float:
    """Return the seconds since the boot, with those in which the machine was suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


@dataclass(frozen=True)
class Timing:
    """Times of a lease, in seconds.

    Attributes:
        interval: Time between two beats of the holder. All processes that share a root must agree.
        window: Time without a beat after which the lease of a holder on another machine is taken over.
        poll: Time between two looks at the claims of others.
        clock: Function that returns the time.
        wait: Function that waits for a time.
    """

    interval: float = 10.0
    window: float = 60.0
    poll: float = 1.0
    clock: Callable[[], float] = _clock
    wait: Callable[[float], None] = time.sleep

    @property
    def trusted(self) -> float:
        """Time for which a check trusts the last beat."""
        return 2 * self.interval


class Others:
    """Claims of others that exclude a lease, and the time since which each of them has not changed.

    Args:
        folder: Folder of the claims.
        name: Name of the lease.
        machine: Machine of this process.
        timing: Times of the lease.

    Attributes:
        number: Highest number of the lease when `live` last looked; 0 without a claim.
    """

    def __init__(self, folder: Path, name: str, machine: Machine, timing: Timing) -> None:
        self._folder, self._name, self._machine, self._timing = folder, name, machine, timing
        self._seen: dict[Claim, tuple[bytes, float]] = {}
        self._alive: set[Claim] = set()
        self.number = 0

    def live(self, own: Claim | None = None) -> list[tuple[Claim, Holder | None, State]]:
        """Return the claims whose holders may be alive, each with its holder, if readable, and the holder's state.

        A holder on another machine is `running` once its claim has changed, and `elsewhere` before.

        Args:
            own: Claim of this process, which is left out.
        """
        found = []
        latest = claims.latest(self._folder)
        self.number = latest[self._name].number if self._name in latest else 0
        for name, claim in latest.items():
            if claim == own or not (name == self._name or WHOLE in (name, self._name)):
                continue
            content = claim.read()
            if content is None:  # A later claim has replaced it, and perhaps the cache of NFS does not show it yet.
                found.append((claim, None, "elsewhere"))
                continue
            holder, released = claims.parse(content)
            state = holder.state(self._machine) if holder else "elsewhere"
            if not released and state == "elsewhere":
                state = self._observed(claim, content)
            if not released and state != "gone":
                found.append((claim, holder, state))
        return found

    def silent(self) -> list[Claim]:
        """Return the claims whose holders on other machines gave no sign of life."""
        now, window = self._timing.clock(), self._timing.window
        return [claim for claim, (_, since) in self._seen.items() if now - since >= window]

    def _observed(self, claim: Claim, content: bytes) -> State:
        now = self._timing.clock()
        before, since = self._seen.get(claim, (content, now))
        if content != before:
            self._alive.add(claim)
            since = now
        self._seen[claim] = content, since
        if now - since >= self._timing.window:
            return "gone"
        return "running" if claim in self._alive else "elsewhere"
