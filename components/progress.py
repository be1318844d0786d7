"""Progress line for long work."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

from components.formatting import clock

# A terminal line is updated in place. A log gets a line at longer intervals, so that it stays short.
_TERMINAL_SECONDS = 0.25
_LOG_SECONDS = 15.0
_CLEARED = "\r\x1b[K"
_stream: TextIO | None = None
Value = float | None | Callable[[], float]


def set_stream(stream: TextIO | None) -> None:
    """Set the stream for all progress. None means standard error."""
    global _stream
    _stream = stream


def note(line: str) -> None:
    """Write a permanent line to the progress stream."""
    stream = _stream or sys.stderr
    stream.write(f"{_CLEARED if stream.isatty() else ''}  {line}\n")
    stream.flush()


class Progress:
    """Progress line that shows the share of work done, the rate, and the time left.

    Example:
        progress = Progress("training", total=1_000_000, unit="examples")
        progress.update(1_024, loss=4.2)
        progress.close()

    Args:
        name: Name of the work.
        total: Number of units in the whole work.
        unit: Plural name of a unit.
        done: Number of units that an earlier, interrupted run did. The rate does not count them.
    """

    def __init__(self, name: str, total: int, unit: str, done: int = 0) -> None:
        self.name, self.total, self.unit = name, total, unit
        self._done_before = self._done = done
        self._started = time.monotonic()
        self._paused = 0.0
        self._written: float | None = None
        self._stream = _stream or sys.stderr
        self._in_place = self._stream.isatty()

    def update(self, done: int, **values: Value) -> None:
        """Set the number of units done so far, and write a line with the values if the last line is old enough.

        Pass a value that must be fetched from a device as a function. It is called only for a line that is written.
        """
        self._done = done
        now = time.monotonic()
        if self._written is None:
            # The first step also traces and builds, so it would distort the rate.
            self._started = self._written = now
            self._done_before = done
        elif now - self._written >= (_TERMINAL_SECONDS if self._in_place else _LOG_SECONDS):
            self._written = now
            shown = {name: value() if callable(value) else value for name, value in values.items()}
            self._write(self.line(now - self._started - self._paused, shown))

    def pause(self, seconds: float) -> None:
        """Exclude time for other work, such as validation, from the rate."""
        self._paused += seconds

    def line(self, seconds: float, values: dict[str, float | None]) -> str:
        """Return the text of the line after the given seconds of work."""
        rate = (self._done - self._done_before) / seconds if seconds > 0 else 0.0
        parts = [f"{self.name} {100 * self._done / max(self.total, 1):3.0f}%", f"{rate:,.0f} {self.unit}/s"]
        if rate > 0:
            parts.append(f"{clock((self.total - self._done) / rate)} left")
        parts += [f"{name} {value:.3f}" for name, value in values.items() if value is not None]
        return ", ".join(parts)

    def close(self) -> None:
        """Clear the line on a terminal, so that the next output starts on an empty line."""
        if self._in_place:
            self._stream.write(_CLEARED)
            self._stream.flush()

    def _write(self, line: str) -> None:
        self._stream.write(f"{_CLEARED}  {line}" if self._in_place else f"  {line}\n")
        self._stream.flush()
