"""Lease of a root: only its holder writes there.

A process takes the lease before it writes below a root, and holds it until it ends. Another process that needs the
lease is refused, or waits:

- The holder runs on this machine, or is stopped there (SIGSTOP): it keeps the lease.
- The holder ran on this machine and has ended: the lease is taken over at once.
- The holder is on another machine or in another container. It changes its claim every `interval` seconds. The lease is
  taken over once the claim has not changed for `window` seconds of this process's own clock. Clocks of two machines are
  never compared.

Of several processes that take a lease, one wins, see `claims`. A holder checks that it still holds the lease before
each write that others see, see `components.files.fenced`. So a process that was stopped, suspended or cut off from the
storage for longer than the window raises `LeaseLost` before its next such write. A check may trust a beat for two
intervals, and a process that has taken over from another machine waits for so long before it writes.

One gap remains, because no file system can rename under a condition: a process that is stopped between a check and the
rename after it, and wakes up after the lease was taken over, completes this one rename.

A lease of the name `WHOLE` excludes all leases of its root. Leases of other names exclude each other only if their
names are equal.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from components.files import fenced, make_folder
from pipeline.lease import claims
from pipeline.lease.claims import RELEASED, Claim
from pipeline.lease.holder import Holder, Machine, State

WHOLE = "root"
FOLDER = ".lease"


class RootInUse(Exception):
    """Use of a root for which another process holds the lease."""


class LeaseLost(BaseException):
    """Loss of the lease to another process, which this process finds out before a write.

    Like KeyboardInterrupt, it is no `Exception`: handlers of failures write, to the metadata store for example.
    """


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


class Lease:
    """Lease that this process has taken.

    Args:
        claim: Claim of this process.
        what: Name of the root in messages.
        timing: Times of the lease.
        begun: Time at which the claim was created.

    Attributes:
        claim: Claim of this process. Its number is the fencing number.
    """

    def __init__(self, claim: Claim, what: str, timing: Timing, begun: float) -> None:
        self.claim = claim
        self._what, self._timing, self._beaten = what, timing, begun
        self._pid, self._beat = os.getpid(), 0
        self._lost: LeaseLost | None = None
        self._lock, self._ended = threading.RLock(), threading.Event()

    def check(self) -> None:
        """Check that this process still holds the lease.

        Within two intervals after the last beat, the check reads only the clock. Later it renews the lease first.

        Raises:
            LeaseLost: Another process has taken over.
            OSError: The claims cannot be read or written.
        """
        if self._lost is not None:
            raise self._lost
        if self._timing.clock() - self._beaten > self._timing.trusted:
            self.renew()

    def renew(self) -> None:
        """Change the beat of the claim, unless another process has taken over.

        Raises:
            LeaseLost: Another process has taken over. Nothing was written.
            OSError: The claims cannot be read or written.
        """
        if os.getpid() != self._pid:  # A fork holds the lease only as long as its parent does.
            self._find_out()
            return
        with self._lock:
            now = self._timing.clock()
            self._find_out()
            self._write(str(self._beat + 1))
            self._beat += 1
            # Another process may have taken over meanwhile.
            self._find_out()
            self._beaten = now

    def release(self) -> None:
        """Release the lease, unless another process has taken over. The claim and its number stay."""
        if os.getpid() != self._pid:
            return
        self._ended.set()
        with self._lock, contextlib.suppress(LeaseLost):
            self._find_out()
            self._write(RELEASED)

    @contextlib.contextmanager
    def beating(self, lost: Callable[[], None]) -> Iterator[None]:
        """Renew the lease in another thread until the context ends.

        Args:
            lost: Function that ends the work after the loss of the lease. It is called again until the context ends.
        """
        thread = threading.Thread(target=self._keep, args=[lost], name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()  # It may be about to interrupt the main thread.

    def _keep(self, lost: Callable[[], None]) -> None:
        while not self._ended.wait(self._timing.interval):
            try:
                self.renew()
            except LeaseLost:
                lost()
            except OSError as error:
                # The next write of the work itself reports the fault.
                logging.getLogger(__name__).warning("The lease of %s could not be renewed: %s.", self._what, error)

    def _write(self, beat: str) -> None:
        try:
            self.claim.write(beat)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ESTALE):  # The new holder has deleted the claim.
                self._lose(claims.latest(self.claim.folder).get(self.claim.name))
            raise OSError(error.errno, error.strerror, str(self.claim.path)) from error

    def _find_out(self) -> None:
        """Raise LeaseLost if the claim of this process is not the highest any more."""
        if self._lost is None:
            highest = claims.latest(self.claim.folder).get(self.claim.name)
            if highest == self.claim:
                return
            self._lose(highest)
        self._lose(None)

    def _lose(self, highest: Claim | None) -> NoReturn:
        if threading.current_thread() is threading.main_thread():
            self._ended.set()  # The main thread need not be interrupted.
        if self._lost is None:
            by = f"{self.claim.path} was deleted, so another process may use {self._what}"
            if highest and highest.number > self.claim.number:
                holder = claims.parse(highest.read() or b"")[0]
                by = (
                    f"{holder or 'another process'} has taken over {self._what}, because this process gave no sign of "
                    f"life for {self._timing.window:.0f} s (it was stopped or suspended, or cut off from the storage)"
                )
            self._lost = LeaseLost(f"{by}. This process writes nothing more: run the same command again to resume")
        raise self._lost


class _Others:
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


def acquire(
    root: Path,
    name: str,
    holder: Holder,
    wait: bool = False,
    notice: Callable[[str], None] = lambda _: None,
    timing: Timing | None = None,
) -> Lease:
    """Take the lease of a root.

    Args:
        root: Local folder; created if missing.
        name: Name of the lease. It contains no dot.
        holder: This process.
        wait: True to wait until the lease is free, False to refuse a lease that a living process holds.
        notice: Function that gets a line each time before the process waits for another one.
        timing: Times of the lease.

    Raises:
        RootInUse: Another process holds the lease. The message names it.
        OSError: The root cannot be written.
    """
    timing = timing or Timing()
    make_folder(root)
    folder = root / FOLDER
    others = _Others(folder, name, holder.machine, timing)
    noticed: set[Claim] = set()
    while True:
        make_folder(folder)
        live = others.live()
        if not live:
            lease = _claim(root, name, holder, others, timing)
            if lease:
                return lease
            continue  # Another process was faster.
        for claim, other, state in live:
            who = str(other or f"an unknown process (see {claim.path})")
            if not wait and state != "elsewhere":
                raise RootInUse(_refusal(who, other, state, root))
            if other and claim not in noticed:
                noticed.add(claim)
                notice(
                    f"waiting for {who}, which uses {root}"
                    if wait
                    else f"{who} uses {root}: waiting {timing.window:.0f} s for a sign of life from it"
                )
        timing.wait(timing.poll)


@contextlib.contextmanager
def holding(
    root: Path, name: str, command: str, run: str, wait: bool = False, notice: Callable[[str], None] = lambda _: None
) -> Iterator[Lease]:
    """Hold the lease of a root, and let writes of other modules check it.

    After the loss of the lease, SIGTERM interrupts the main thread, which may be busy in a library.

    Args:
        root: Local folder; created if missing.
        name: Name of the lease.
        command: Command of this process, for messages of others.
        run: Id of the run, for messages of others.
        wait: See `acquire`.
        notice: See `acquire`.

    Raises:
        RootInUse: Another process holds the lease.
        LeaseLost: Another process took over while the context was active.
        OSError: The root cannot be written.
    """
    lease = acquire(root, name, Holder.this(command, run), wait, notice)
    try:
        with fenced(lease.check), lease.beating(_interrupt):
            yield lease
    except KeyboardInterrupt:
        lease.check()  # The interruption may be the one by the loss of the lease.
        raise
    finally:
        lease.release()


def _interrupt() -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


def _refusal(who: str, holder: Holder | None, state: State, root: Path) -> str:
    if holder and state == "stopped":
        return (
            f"{who} uses {root}, and is stopped: continue it with `kill -CONT {holder.pid}`, end it with "
            f"`kill -KILL {holder.pid}`, or choose another --root"
        )
    return f"{who} uses {root}: wait for it to end, or choose another --root"


def _claim(root: Path, name: str, holder: Holder, others: _Others, timing: Timing) -> Lease | None:
    """Claim the number after the one that was found free. Return None if another process was faster."""
    folder, begun = root / FOLDER, timing.clock()
    claim = Claim(folder, name, others.number + 1)
    if not claim.create(holder, "0"):
        return None
    lease = Lease(claim, str(root), timing, begun)
    # Two leases that exclude each other may have been claimed at once: each process sees the other.
    rivals = others.live(claim)
    if others.number != claim.number:  # While this process was stopped, others claimed and deleted the same number.
        claim.path.unlink(missing_ok=True)
        return None
    if rivals:
        lease.release()
        return None
    silent = others.silent()
    for earlier in silent:
        if earlier.name != name:
            # Its holder may be stopped. A higher number tells it, when it wakes up, that it has lost its lease.
            broken = Claim(folder, earlier.name, earlier.number + 1)
            if broken.create(holder, RELEASED):
                broken.forget_earlier()
    claim.forget_earlier()
    if silent:
        timing.wait(timing.trusted)
    return lease
