"""Acquisition of a lease."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from components.files import fenced, make_folder
from pipeline.lease.claims import RELEASED, Claim
from pipeline.lease.holder import Holder, State
from pipeline.lease.lease import Lease
from pipeline.lease.observation import Others, Timing

FOLDER = ".lease"
"""Folder of the claims below a root."""


class RootInUse(Exception):
    """Use of a root for which another process holds the lease."""


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
    others = Others(folder, name, holder.machine, timing)
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


def _claim(root: Path, name: str, holder: Holder, others: Others, timing: Timing) -> Lease | None:
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
