"""Observation of the work that executors count."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from components.messages import counting


@dataclass
class Work:
    """Work that was counted.

    Attributes:
        total: Number of units that the executor expected.
        unit: Plural name of a unit.
        done: Number of units that were counted.
        closed: True once the work is no longer shown.
    """

    total: int
    unit: str
    done: int = 0
    closed: bool = False

    def update(self, done: int) -> None:
        self.done = done

    def close(self) -> None:
        self.closed = True


@contextlib.contextmanager
def observed() -> Iterator[dict[str, Work]]:
    """Yield the work that is counted in the context, by name. At the end, all of it must be done and closed."""
    found: dict[str, Work] = {}

    def show(name: str, total: int, unit: str) -> Work:
        return found.setdefault(name, Work(total, unit))

    counting.observe(show)
    try:
        yield found
    finally:
        counting.observe(None)
    assert {name: (work.done, work.closed) for name, work in found.items()} == {
        name: (work.total, True) for name, work in found.items()
    }
