"""Options, progress and output that the commands of `bigvocab bench` share."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, TextIO, TypeVar

from benchmarks.harness.bounds import Bound, bound_lines
from benchmarks.harness.machine import Machine
from components.ingest.errors import nearest

_Measured = TypeVar("_Measured", bound="Figures")


class Figures(Protocol):
    """Results of a benchmark.

    Attributes:
        machine: The machine that measured.
    """

    machine: Machine

    def as_json(self) -> Any:
        """Return all figures, as JSON stores them."""


class BenchError(ValueError):
    """Invalid option, described in a sentence."""


class Output:
    """Output of a command: tables on a stream, and all figures in a file.

    Args:
        out: Receives the tables.
        file: Receives all figures as JSON. None: no file.

    Raises:
        BenchError: The folder of `file` does not exist. Raised here, before hours of measurement.
    """

    def __init__(self, out: TextIO, file: Path | None = None) -> None:
        if file and not file.parent.is_dir():
            raise BenchError(f"--json: {file.parent} is not a folder")
        self._out, self._file = out, file

    def print(self, lines: Iterable[str]) -> None:
        """Write lines to the stream."""
        for line in lines:
            self._out.write(f"{line}\n")
        self._out.flush()

    def save(self, figures: Callable[[], Any]) -> None:
        """Write all figures to the file, in place of earlier ones.

        Args:
            figures: Returns the figures as JSON. Not called without a file.
        """
        if self._file:
            self._file.write_text(json.dumps(figures(), indent=1) + "\n", encoding="utf-8")

    def finish(
        self, results: _Measured, lines: Iterable[str], bounds: Sequence[Bound[_Measured]] = (), check: bool = False
    ) -> int:
        """Write the machine, the tables, the checked bounds, and the file.

        Args:
            results: Results of the command.
            lines: The tables.
            bounds: Bounds on the results.
            check: Check the bounds.

        Returns:
            0, or 1 if a checked bound does not hold.
        """
        self.print([f"{results.machine}.", "", *lines])
        if check:
            self.print(["", *bound_lines(bounds, results)])
        self.save(results.as_json)
        return 1 if check and any(bound.missed(results) for bound in bounds) else 0


def chosen_names(only: Sequence[str] | None, known: Iterable[str], option: str = "--only") -> list[str]:
    """Return the names in `only`, or all known names if `only` is None, in the order of `known`.

    Raises:
        BenchError: A name is unknown.
    """
    names = list(known)
    for name in only or []:
        if name not in names:
            raise BenchError(f"{option}: there is no '{name}'{nearest(name, names)}")
    return names if only is None else [name for name in names if name in only]


def progress() -> Callable[[str], None]:
    """Return a function that writes a message to standard error, with the seconds since this call."""
    started = time.monotonic()

    def say(text: str) -> None:
        sys.stderr.write(f"[{time.monotonic() - started:5.0f} s] {text}\n")
        sys.stderr.flush()

    return say


def heading(machine: Machine, seeds: int, about: str) -> str:
    """Return the line above a table of trainings."""
    return f"{machine}; {seeds} seed{'s' if seeds > 1 else ''}, {about}; each training has one thread."
