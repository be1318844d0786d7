"""Counts of the work that a node has done so far, for the process that shows its progress.

Beam's local runner executes its steps in this process, so a step can count here. In the workers of other engines, and
in child processes, nobody observes the counts, and counting does nothing.

This module imports nothing of the project. The executors import it, so its source is part of their cache keys, and a
change of the terminal must not run all nodes again.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

_T = TypeVar("_T")


class Shown(Protocol):
    """Display of one piece of work."""

    def update(self, done: int) -> None:
        """Show the number of units done so far."""

    def close(self) -> None:
        """Remove the display."""


Show = Callable[[str, int, str], Shown]
"""Function that starts the display of a piece of work: name, number of all units, plural name of a unit."""


class _Work:
    """Work in progress. Threads may count at the same time."""

    def __init__(self, shown: Shown) -> None:
        self._shown, self._lock = shown, threading.Lock()
        self._done, self._closed = 0, False

    def add(self, units: int) -> None:
        with self._lock:
            self._done += units
            if not self._closed:
                self._shown.update(self._done)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._shown.close()


_show: Show | None = None
_works: list[_Work] = []


def observe(show: Show | None) -> None:
    """Set the function that shows all work of this process from now on. None: work is not shown."""
    global _show
    _show = show


@contextlib.contextmanager
def counted(name: str, total: Callable[[], int], unit: str) -> Iterator[None]:
    """Show the progress of the code in the context, which calls `count`.

    Args:
        name: Name of the work.
        total: Function that returns the number of all units, or 0 if it is unknown; then nothing is shown. It is called
            only if work is shown.
        unit: Plural name of a unit; `bytes` is shown as a size.
    """
    units = total() if _show else 0
    if _show is None or units <= 0:
        yield
        return
    work = _Work(_show(name, units, unit))
    _works.append(work)
    try:
        yield
    finally:
        _works.remove(work)
        work.close()


def count(units: int) -> None:
    """Add units to the work that began last, if any. Call this for batches, not for single rows.

    The first call is the start of the clock for the rate: a call with 0 makes the time from now on count.
    """
    if _works:
        _works[-1].add(units)


def tracked(name: str, unit: str, sizes: Callable[[], Sequence[int]], results: Iterable[_T]) -> Iterator[_T]:
    """Yield results, and count the size of each when it is there.

    Args:
        name: Name of the work.
        unit: Plural name of a unit of the sizes.
        sizes: Function that returns the size of each result. It is called only if the work is shown.
        results: Results, in the order of the sizes.
    """
    if _show is None:
        yield from results
        return
    known = sizes()
    with counted(name, lambda: sum(known), unit):
        count(0)
        for size, result in zip(known, results, strict=True):
            count(size)
            yield result
