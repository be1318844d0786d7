"""Interruption of a run by Ctrl-C, or by SIGTERM from a cluster that reclaims the machine."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator


class Interruption:
    """Record of a request to end the run.

    The exception alone is not enough: Python drops an exception that is raised inside a callback of native code.
    """

    def __init__(self) -> None:
        self._requested = False

    def request(self, *_: object) -> None:
        """Record the request and raise KeyboardInterrupt. A signal handler."""
        self._requested = True
        raise KeyboardInterrupt

    def check(self) -> None:
        """Raise an exception if the end of the run was requested.

        Raises:
            KeyboardInterrupt: The end of the run was requested.
        """
        if self._requested:
            raise KeyboardInterrupt


@contextlib.contextmanager
def interruptible() -> Iterator[Interruption]:
    """Interrupt the run on SIGINT (Ctrl-C) and SIGTERM, which clusters and service managers send.

    Restores the earlier signal handlers on exit.

    Yields:
        The record of the interruption.
    """
    interruption = Interruption()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # Shells make background jobs ignore Ctrl-C.
            signal.signal(number, interruption.request)
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
