"""CPU and wall time of some work, several times over."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

# A turn is as long as this, so that a clock's grain and a call's overhead do not count.
TURN_SECONDS = 0.2
MOST_STEPS = 64


@dataclass(frozen=True)
class Spent:
    """Time spent on a number of steps.

    Attributes:
        steps: how many.
        cpu: seconds of CPU time, all threads of the process.
        wall: seconds by the clock.
    """

    steps: int
    cpu: float
    wall: float


@dataclass(frozen=True)
class Timing:
    """Milliseconds a step, a figure a round. On a machine that does other things too, the least is the one to compare.

    Attributes:
        cpu: CPU time, all threads.
        wall: by the clock.
    """

    cpu: tuple[float, ...]
    wall: tuple[float, ...]

    @classmethod
    def of(cls, turns: Sequence[Spent]) -> Timing:
        """From the turns of several rounds.

        Raises:
            ValueError: there are none.
        """
        if not turns:
            raise ValueError("a timing needs at least one turn")
        return cls(
            tuple(1e3 * turn.cpu / turn.steps for turn in turns), tuple(1e3 * turn.wall / turn.steps for turn in turns)
        )

    @property
    def least_cpu(self) -> float:
        return min(self.cpu)

    @property
    def median_cpu(self) -> float:
        return statistics.median(self.cpu)

    @property
    def least_wall(self) -> float:
        return min(self.wall)

    @property
    def median_wall(self) -> float:
        return statistics.median(self.wall)


class Stopwatch:
    """Measures from its making to `spent`."""

    def __init__(self) -> None:
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def spent(self, steps: int) -> Spent:
        """What went by, for so many steps."""
        return Spent(steps, time.process_time() - self._cpu, time.perf_counter() - self._wall)


def timed(step: Callable[[int], object], steps: int) -> Spent:
    """Calls `step(0)` to `step(steps - 1)`, each of which returns when its work is done."""
    watch = Stopwatch()
    for number in range(steps):
        step(number)
    return watch.spent(steps)


def steps_a_turn(one: Spent) -> int:
    """How many steps make a turn, by what one step took."""
    return max(1, min(MOST_STEPS, round(TURN_SECONDS * one.steps / max(one.wall, 1e-9))))
