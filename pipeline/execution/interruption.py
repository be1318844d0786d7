"""Interruption of a run, by Ctrl-C or by a cluster that wants its machine back."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator


class Interruption:
    """Remembers that the run is to end: Python drops an exception that comes up inside a callback of native code."""

    def __init__(self) -> None:
        self._requested = False

    def request(self, *_: object) -> None:
        """A signal handler."""
        self._requested = True
        raise KeyboardInterrupt

    def check(self) -> None:
        """Raises KeyboardInterrupt if the run was asked to end."""
        if self._requested:
            raise KeyboardInterrupt


@contextlib.contextmanager
def interruptible() -> Iterator[Interruption]:
    """Takes Ctrl-C, and a request to end as a cluster or a service manager sends it, for an interruption."""
    interruption = Interruption()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # A shell lets what runs in its background ignore Ctrl-C.
            signal.signal(number, interruption.request)
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
