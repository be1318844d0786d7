"""Lines of a run on the terminal."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from rich.text import Text

from components.messages.formatting import clock
from components.messages.terminal import Terminal

if TYPE_CHECKING:
    from components.report.summary import Summary

NODE_WIDTH, TIME_WIDTH = 18, 9
_TICK_SECONDS = 1.0
_SHORT_SECONDS = 2.0
"""Elapsed time of a node below which its status has no time, which would only flash."""


class Console(Terminal):
    """Terminal that shows a line for each node. The status is the running node until its result replaces it.

    The status shows the elapsed time of the node, unless the node shows its progress. A thread counts the time, because
    a node may wait for another engine for minutes.

    Args:
        stream: Stream to write to.

    Attributes:
        complete: Nodes that have completed.
        running: Running node; None between nodes.
        since: Start of the running node, in seconds since the epoch.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.complete: list[str] = []
        self.running: str | None = None
        self.since = 0.0
        self._stopped = threading.Event()

    def opened(self, name: str, root: str, log: str) -> None:
        """Show the start of a run.

        Args:
            name: Name of the configuration.
            root: Root of the run.
            log: Path of the log.
        """
        del log
        self.line(f"BigVocab {name} -> {root}")

    def started(self, node: str) -> None:
        """Show the node as running in the status."""
        self.running, self.since = node, time.time()
        self.stand(self._waiting(node, 0))
        if self.in_place:
            self._stopped = threading.Event()
            arguments = (node, time.monotonic(), self._stopped)
            threading.Thread(target=self._tick, args=arguments, name="elapsed time", daemon=True).start()

    def finished(
        self,
        node: str,
        seconds: float,
        cached: bool,
        result: str,
        cpu_seconds: float | None = None,
        peak_bytes: int | None = None,
    ) -> None:
        """Print the line of a completed node.

        Args:
            node: Name of the node.
            seconds: Wall time in seconds.
            cached: True if the line has `cached` in place of the wall time.
            result: Result of the node.
            cpu_seconds: CPU time in seconds; None if it was not measured. Not on the line.
            peak_bytes: Greatest resident memory in bytes; None if it was not measured. Not on the line.
        """
        del cpu_seconds, peak_bytes
        self.complete.append(node)
        self._end(node, Text(f"{'cached' if cached else f'{seconds:.1f} s':>{TIME_WIDTH}}", "dim"), result)

    def failed(self, node: str, seconds: float = 0.0) -> None:
        """Print the line of a failed node, which took some seconds. The error message follows elsewhere."""
        del seconds
        self._end(node, Text(f"{'failed':>{TIME_WIDTH}}", "bold red"))

    def warn(self, text: str) -> None:
        """Print a warning."""
        self.line("", text)

    def stopped(self, lines: Sequence[str], code: int, message: str, node: str | None = None) -> None:
        """Print why a run did not complete.

        Args:
            lines: Lines for people, empty if they get the message elsewhere.
            code: Exit code.
            message: Cause, for programs.
            node: Node that failed; None if none did.
        """
        del code, message, node
        if lines:
            self.line()
        for line in lines:
            self.line("", line)

    def left(self, error: BaseException) -> None:
        """Handle an error that ends the run, and whose message people get elsewhere."""

    def ended(self, summary: Summary, path: str) -> None:
        """Handle the end of a run that completed. People have read its result before.

        Args:
            summary: Summary of the run.
            path: Path of the summary.
        """

    def stand(self, text: Text | None) -> None:
        """Set the status that is shown while no other status is. None removes it, and stops the elapsed time."""
        if text is None:
            self._stopped.set()
        super().stand(text)

    def _end(self, node: str, outcome: Text, result: str = "") -> None:
        self.running = None
        self._stopped.set()
        if self.in_place and self.width < 2 + NODE_WIDTH + TIME_WIDTH:
            self.line(Text.assemble(f"  {node}  ", Text(outcome.plain.strip(), outcome.style)), result)
            return
        self.line(Text.assemble(f"  {node:<{NODE_WIDTH}}", outcome, "   " if result else ""), result)

    def _tick(self, node: str, start: float, stopped: threading.Event) -> None:
        """Update the elapsed time in the status until the node has ended."""
        # If the terminal is gone, the next line of the run reports it.
        with contextlib.suppress(OSError, ValueError):
            while not stopped.wait(_TICK_SECONDS):
                with self._lock:
                    if not stopped.is_set():
                        self.refresh(self._waiting(node, time.monotonic() - start))

    def _waiting(self, node: str, seconds: float) -> Text:
        elapsed = f" ... {clock(seconds)}" if seconds >= _SHORT_SECONDS else " ..."
        wide = NODE_WIDTH + len(elapsed) <= self.room
        return Text(f"{node:<{NODE_WIDTH if wide else 0}}{elapsed}", "dim")
