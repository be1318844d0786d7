"""Events of a run as JSON Lines, for programs."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from rich.table import Table
from rich.text import Text

from components.messages.exit_codes import FAILED, INTERRUPTED, WRONG, UserError
from components.messages.redaction import redacted
from components.messages.terminal import Terminal
from pipeline.config.errors import ConfigurationError
from pipeline.terminal.console import Console

if TYPE_CHECKING:
    from components.report.summary import Summary


class Events(Console):
    """Console that writes an object of JSON per line, each with the keys `event` and `time`.

    | Event | Keys |
    | --- | --- |
    | `started` | `run`, `root`, `log` |
    | `progress` | `node`, `work`, `share`, `rate`, `unit`, `seconds_left`, and values such as `loss` |
    | `node` | `node`, `state`, `seconds`, `detail`, `cpu_seconds`, `peak_bytes` |
    | `note`, `warning` | `node`, `text` |
    | `finished` | `code`, `summary`, `seconds`, `pushed`, `metrics`, `margins` |
    | `failed` | `code`, `node`, `message` |

    Args:
        stream: Stream for the events.
        errors: Stream for the messages about a failed run, for people.
    """

    def __init__(self, stream: TextIO, errors: TextIO) -> None:
        super().__init__(stream)
        self.in_place = False
        self._errors = Terminal(errors)
        self._last = False

    def opened(self, name: str, root: str, log: str) -> None:
        """Write the event `started`."""
        self._write("started", run=name, root=root, log=log)

    def started(self, node: str) -> None:
        """Record the node as running. Its event follows at its end."""
        self.running, self.since = node, time.time()

    def finished(
        self,
        node: str,
        seconds: float,
        cached: bool,
        result: str,
        cpu_seconds: float | None = None,
        peak_bytes: int | None = None,
    ) -> None:
        """Write the event `node` of a complete node."""
        self.complete.append(node)
        self._node(node, "cached" if cached else "complete", seconds, result, cpu_seconds, peak_bytes)

    def failed(self, node: str, seconds: float = 0.0) -> None:
        """Write the event `node` of a failed node."""
        self._node(node, "failed", seconds, "", None, None)

    def warn(self, text: str) -> None:
        """Write the event `warning`."""
        self._write("warning", node=self.running, text=text)

    def note(self, text: str | Text = "", rest: str = "") -> None:
        """Write a line for people as the event `note`. An empty line is no event."""
        if line := f"{text}{rest}".strip():
            self._write("note", node=self.running, text=line)

    def write(self, parts: Iterable[str | Text | Table]) -> None:
        """Write nothing: people read these lines and tables, and programs the event `finished`."""
        del parts

    def event(self, kind: str, text: str, about: Mapping[str, Any]) -> None:
        """Write an event of the running node."""
        del text
        self._write(kind, node=self.running, **about)

    def stopped(self, lines: Sequence[str], code: int, message: str, node: str | None = None) -> None:
        """Write the event `failed`, and the lines for people to standard error."""
        self._failed(code, node, message)
        for line in lines:
            self._errors.line("", line)

    def left(self, error: BaseException) -> None:
        """Write the event `failed`, unless it is written."""
        if self._last:
            return
        if isinstance(error, KeyboardInterrupt):
            self._failed(INTERRUPTED, None, "interrupted before the first node")
            return
        code = WRONG if isinstance(error, ConfigurationError) else FAILED
        self._failed(error.code if isinstance(error, UserError) else code, None, str(error))

    def ended(self, summary: Summary, path: str) -> None:
        """Write the event `finished`."""
        known = summary.model_dump(mode="json")
        about = {name: known.get(name) for name in ("seconds", "pushed", "metrics")}
        self._write("finished", code=0, summary=path, **about, margins=known.get("margins", []))

    def _failed(self, code: int, node: str | None, message: str) -> None:
        self._last = True
        self._write("failed", code=code, node=node, message=message)

    def _node(
        self,
        node: str,
        state: str,
        seconds: float,
        detail: str,
        cpu_seconds: float | None,
        peak_bytes: int | None,
    ) -> None:
        self.running = None
        self._write(
            "node",
            node=node,
            state=state,
            seconds=round(seconds, 3),
            detail=detail,
            cpu_seconds=None if cpu_seconds is None else round(cpu_seconds, 2),
            peak_bytes=peak_bytes,
        )

    def _write(self, event: str, **about: Any) -> None:
        whole = {"event": event, "time": round(time.time(), 3), **_redacted(about)}
        with self._lock:
            self.stream.write(json.dumps(whole) + "\n")
            self.stream.flush()


def _redacted(value: Any) -> Any:
    """Return JSON data without secrets, and with null for numbers that JSON does not have."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, dict):
        return {name: _redacted(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_redacted(each) for each in value]
    return value
