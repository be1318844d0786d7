"""Interruption of a run by Ctrl-C, or by SIGTERM from a cluster that reclaims the machine."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

from components.messages.formatting import listed

if TYPE_CHECKING:
    from pipeline.terminal.console import Console


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


def kept(console: Console, checkpoints: str) -> str:
    """Return what an interrupted run has kept: the outputs of the complete nodes, and the newest checkpoint.

    Args:
        console: Console of the run.
        checkpoints: Folder of the checkpoints.
    """
    from components.training.loop.checkpoint import newest_step  # Loads TensorFlow.

    nodes, running = list(dict.fromkeys(console.complete)), console.running
    step = None
    if running:
        with contextlib.suppress(Exception):  # The message must appear even if the folder cannot be read.
            step = newest_step(checkpoints, console.since)
    parts = [f"the outputs of {listed(nodes)}"] if nodes else []
    parts += [f"the checkpoint of step {step:,}"] if step is not None else []
    while_ = f" while {running} ran" if running else ""
    return f"Interrupted{while_}. Kept: {listed(parts) if parts else 'nothing, because no node had completed'}."


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
