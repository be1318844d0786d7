"""Bounds on the results of a benchmark."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from benchmarks.harness.tables import table

Results = TypeVar("Results")


@dataclass(frozen=True)
class Bound(Generic[Results]):
    """Bound on a measured figure.

    Attributes:
        what: Name of the bounded figure.
        sense: The direction of the bound.
        limit: The bound.
        measured: Returns the figure from the results, or None if it was not measured.
        unit: Unit to write after the figure.
    """

    what: str
    sense: Literal["at least", "at most"]
    limit: float
    measured: Callable[[Results], float | None]
    unit: str = "x"

    def figure(self, value: float) -> str:
        """Format a value with the unit: a ratio below 100 with two decimals, other figures without decimals."""
        return f"{value:,.{2 if self.unit == 'x' and abs(value) < 99.995 else 0}f}{self.unit}"

    def missed(self, results: Results) -> bool:
        """Return True if the figure was measured and violates the bound."""
        value = self.measured(results)
        if value is None:
            return False
        return value < self.limit if self.sense == "at least" else value > self.limit


def bound_lines(bounds: Iterable[Bound[Results]], results: Results) -> Iterator[str]:
    """Yield the lines of a table of bounds, each with its figure and verdict."""
    rows = []
    for bound in bounds:
        value = bound.measured(results)
        verdict = "not measured" if value is None else "missed" if bound.missed(results) else "holds"
        limit = f"{bound.sense} {bound.figure(bound.limit)}"
        rows.append([bound.what, limit, "-" if value is None else bound.figure(value), verdict])
    yield from table(["bound", "limit", "measured", "result"], rows)
