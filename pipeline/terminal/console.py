"""Lines of a run on the terminal."""

from __future__ import annotations

from rich.text import Text

from components.messages.terminal import Terminal

NODE_WIDTH, TIME_WIDTH = 18, 9


class Console(Terminal):
    """Terminal that shows a line for each node. The status is the running node until its result replaces it."""

    def started(self, node: str) -> None:
        """Show the node as running in the status."""
        self.stand(Text(f"{node:<{NODE_WIDTH}} ...", "dim"))

    def finished(self, node: str, seconds: float, cached: bool, result: str) -> None:
        """Print the line of a completed node: `cached` or its wall time in seconds, and its result."""
        self._end(node, Text(f"{'cached' if cached else f'{seconds:.1f} s':>{TIME_WIDTH}}", "dim"), result)

    def failed(self, node: str) -> None:
        """Print the line of a failed node. The error message follows elsewhere."""
        self._end(node, Text(f"{'failed':>{TIME_WIDTH}}", "bold red"))

    def _end(self, node: str, time: Text, result: str = "") -> None:
        self.line(Text.assemble(f"  {node:<{NODE_WIDTH}}", time, "   " if result else ""), result)
