"""Lines of a run on the terminal."""

from __future__ import annotations

import time
from typing import TextIO

from rich.text import Text

from components.messages.terminal import Terminal

NODE_WIDTH, TIME_WIDTH = 18, 9


class Console(Terminal):
    """Terminal that shows a line for each node. The status is the running node until its result replaces it.

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

    def started(self, node: str) -> None:
        """Show the node as running in the status."""
        self.running, self.since = node, time.time()
        self.stand(Text(f"{node:<{NODE_WIDTH}} ...", "dim"))

    def finished(self, node: str, seconds: float, cached: bool, result: str) -> None:
        """Print the line of a completed node: `cached` or its wall time in seconds, and its result."""
        self.complete.append(node)
        self._end(node, Text(f"{'cached' if cached else f'{seconds:.1f} s':>{TIME_WIDTH}}", "dim"), result)

    def failed(self, node: str) -> None:
        """Print the line of a failed node. The error message follows elsewhere."""
        self._end(node, Text(f"{'failed':>{TIME_WIDTH}}", "bold red"))

    def _end(self, node: str, outcome: Text, result: str = "") -> None:
        self.running = None
        self.line(Text.assemble(f"  {node:<{NODE_WIDTH}}", outcome, "   " if result else ""), result)
