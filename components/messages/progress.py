"""Progress of long work: a bar on a terminal, occasional lines in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping

from rich.text import Text

from components.messages import counting
from components.messages.formatting import clock, figure, in_bytes
from components.messages.terminal import Terminal

# A terminal is updated in place. A log gets a line at longer intervals, so that it stays short.
_TERMINAL_SECONDS = 0.25
_LOG_SECONDS = 15.0
# Counted work of a few seconds shows no bar, which would only flash.
_QUIET_SECONDS = 2.0
_FEW = 9.95
"""Rate below which a decimal is shown."""
_terminal: Terminal | None = None
Value = float | str | None | Callable[[], float]


def set_terminal(terminal: Terminal | None) -> None:
    """Set the terminal for all progress, also of the work that `components.messages.counting` counts.

    Args:
        terminal: Terminal. None: standard error, and counted work is not shown.
    """
    global _terminal
    _terminal = terminal
    counting.observe(_Counted if terminal else None)


def note(line: str) -> None:
    """Write a permanent line to the terminal of the progress."""
    _current().note(f"  {line}")


def _current() -> Terminal:
    return _terminal or Terminal(sys.stderr)


class Progress:
    """Progress line that shows the share of work done, the rate, and the time left.

    The rate is of this run alone, without its first step and its pauses. `rich.progress.Progress` estimates the rate
    from all updates of the last seconds, so a validation would count as slow training.

    Example:
        progress = Progress("training", total=1_000_000, unit="examples")
        progress.update(1_024, loss=4.2)
        progress.close()

    Args:
        name: Name of the work.
        total: Number of units in the whole work.
        unit: Plural name of a unit. `bytes` are shown as sizes.
        done: Number of units that an earlier, interrupted run did. The rate does not count them.
    """

    _quiet = 0.0
    """Seconds before the first line."""

    def __init__(self, name: str, total: int, unit: str, done: int = 0) -> None:
        self.name, self.total, self.unit = name, total, unit
        self._done_before = self._done = done
        self._began = self._started = time.monotonic()
        self._paused = 0.0
        self._written: float | None = None
        self._terminal = _current()

    def update(self, done: int, **values: Value) -> None:
        """Set the number of units done so far, and write a line with the values if the last line is old enough.

        A number has three decimals; a text stays as it is. Pass a value that must be fetched from a device as a
        function. It is called only for a line that is written.
        """
        self._done = done
        now = time.monotonic()
        if self._written is None:
            # The first step also traces and builds, so it would distort the rate.
            self._started = self._written = now
            self._done_before = done
        elif now - self._written >= (_TERMINAL_SECONDS if self._terminal.in_place else _LOG_SECONDS):
            if now - self._began < self._quiet:
                return
            self._written = now
            shown = {name: value() if callable(value) else value for name, value in values.items()}
            seconds = now - self._started - self._paused
            parts = self._parts(seconds, shown)
            if self._terminal.in_place:
                self._terminal.status(Text(_fitted(parts, self._terminal.room)), self._share())
            else:
                rate = self._rate(seconds)
                self._terminal.event(
                    "progress",
                    f"  {', '.join(parts)}",
                    {
                        "work": self.name,
                        "share": round(self._share(), 4),
                        "rate": round(rate, 1),
                        "unit": self.unit,
                        "seconds_left": round((self.total - self._done) / rate, 1) if rate > 0 else None,
                        **{name: value for name, value in shown.items() if value is not None},
                    },
                )

    def pause(self, seconds: float) -> None:
        """Exclude time for other work, such as validation, from the rate."""
        self._paused += seconds

    def line(self, seconds: float, values: Mapping[str, float | str | None]) -> str:
        """Return the text of the line after the given seconds of work."""
        return ", ".join(self._parts(seconds, values))

    def _parts(self, seconds: float, values: Mapping[str, float | str | None]) -> list[str]:
        rate = self._rate(seconds)
        amount = f"{rate:.1f}" if 0 < rate < _FEW else f"{rate:,.0f}"
        of_unit = in_bytes(round(rate)) if self.unit == "bytes" else f"{amount} {self.unit}"
        parts = [f"{self.name} {100 * self._share():3.0f}%", f"{of_unit}/s"]
        if rate > 0:
            parts.append(f"{clock((self.total - self._done) / rate)} left")
        known = {name: value for name, value in values.items() if value is not None}
        parts += [f"{name} {value if isinstance(value, str) else figure(value)}" for name, value in known.items()]
        return parts

    def close(self) -> None:
        """Remove the line from a terminal."""
        self._terminal.status(None)

    def _rate(self, seconds: float) -> float:
        return (self._done - self._done_before) / seconds if seconds > 0 else 0.0

    def _share(self) -> float:
        return self._done / max(self.total, 1)


class _Counted(Progress):
    """Progress of counted work. It is hidden for the first seconds, and when all units are done.

    After the last unit, Beam still merges results. The status then shows the elapsed time of the node.
    """

    _quiet = _QUIET_SECONDS

    def update(self, done: int, **values: Value) -> None:
        if done < self.total:
            super().update(done, **values)
        else:
            self.close()


def _fitted(parts: list[str], room: int) -> str:
    """Join the parts that fit. No part is cut, because half of a number is another number.

    The rate, which is the second part, is the first to be omitted, because the time left implies it.
    """
    if len(", ".join(parts)) > room:
        parts = [parts[0], *parts[2:]]
    while len(parts) > 1 and len(", ".join(parts)) > room:
        parts = parts[:-1]
    return ", ".join(parts)
