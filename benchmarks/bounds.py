"""What must hold of a benchmark's results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

Results = TypeVar("Results")


@dataclass(frozen=True)
class Bound(Generic[Results]):
    """Something that must hold.

    Attributes:
        what: is bounded.
        sense: on which side it must lie.
        limit: of it.
        measured: finds it in the results; None where it was not measured.
        unit: after the figures.
    """

    what: str
    sense: Literal["at least", "at most"]
    limit: float
    measured: Callable[[Results], float | None]
    unit: str = "x"

    def missed(self, results: Results) -> bool:
        """Whether it was measured and does not hold."""
        value = self.measured(results)
        if value is None:
            return False
        return value < self.limit if self.sense == "at least" else value > self.limit
