"""Lease that this process holds."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import threading
from collections.abc import Callable, Iterator
from typing import NoReturn

from pipeline.lease import claims
from pipeline.lease.claims import RELEASED, Claim
from pipeline.lease.observation import Timing


class LeaseLost(BaseException):
    """Loss of the lease to another process, which this process finds out before a write.

    Like KeyboardInterrupt, it is no `Exception`: handlers of failures write, to the metadata store for example.
    """


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
        """Release the lease, unless another process has taken over. The claim and its number stay.

        An error of the storage is only logged, since it must not hide the error that ended the work. Without a release,
        the lease is that of a dead process.
        """
        if os.getpid() != self._pid:
            return
        self._ended.set()
        with self._lock, contextlib.suppress(LeaseLost):
            try:
                self._find_out()
                self._write(RELEASED)
            except OSError as error:
                # Not a warning: it would be the last line on the terminal, after the error that the user must read.
                logging.getLogger(__name__).info("The lease of %s could not be released: %s.", self._what, error)

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
