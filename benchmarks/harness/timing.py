"""Repeated measurement of CPU and wall time."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

# Length of a turn. Long enough that clock resolution and call overhead are negligible.
TURN_SECONDS = 0.2
MOST_STEPS = 64


@dataclass(frozen=True)
class Spent:
    """Time spent on a number of steps.

    Attributes:
        steps: Number of steps.
        cpu: Seconds of CPU time, over all threads of the process.
        wall: Seconds of wall time.
    """

    steps: int
    cpu: float
    wall: float


@dataclass(frozen=True)
class Timing:
    """Milliseconds per step, with one figure for each round. On a machine with other load, compare the least figures.

    Attributes:
        cpu: CPU time, over all threads.
        wall: Wall time.
    """

    cpu: tuple[float, ...]
    wall: tuple[float, ...]

    @classmethod
    def of(cls, turns: Sequence[Spent]) -> Timing:
        """Create a timing from the turns of several rounds.

        Raises:
            ValueError: `turns` is empty.
        """
        if not turns:
            raise ValueError("a timing needs at least one turn")
        return cls(
            tuple(1e3 * turn.cpu / turn.steps for turn in turns), tuple(1e3 * turn.wall / turn.steps for turn in turns)
        )

    @property
    def least_cpu(self) -> float:
        """Least CPU time of the rounds, in ms per step."""
        return min(self.cpu)

    @property
    def median_cpu(self) -> float:
        """Median CPU time of the rounds, in ms per step."""
        return statistics.median(self.cpu)

    @property
    def least_wall(self) -> float:
        """Least wall time of the rounds, in ms per step."""
        return min(self.wall)

    @property
    def median_wall(self) -> float:
        """Median wall time of the rounds, in ms per step."""
        return statistics.median(self.wall)


class Stopwatch:
    """Stopwatch that measures from its creation to the call of `spent`."""

    def __init__(self) -> None:
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def spent(self, steps: int) -> Spent:
        """Return the time since creation, for a number of steps."""
        return Spent(steps, time.process_time() - self._cpu, time.perf_counter() - self._wall)


def timed(step: Callable[[int], object], steps: int) -> Spent:
    """Measure the calls `step(0)` to `step(steps - 1)`. Each call must return only when its work is done."""
    watch = Stopwatch()
    for number in range(steps):
        step(number)
    return watch.spent(steps)


def steps_a_turn(one: Spent) -> int:
    """Return the number of steps in a turn, from the time that one step took."""
    return max(1, min(MOST_STEPS, round(TURN_SECONDS * one.steps / max(one.wall, 1e-9))))


def interleaved(steps: Mapping[str, Callable[[int], object]], rounds: int) -> dict[str, Timing]:
    """Measure the forms of a step in this process, one turn of each form in each round.

    Args:
        steps: Forms, by name: functions that take the number of the call in its turn. See `timed`.
        rounds: Turns of each form.
    """
    lengths = {name: steps_a_turn(timed(step, 1)) for name, step in steps.items()}
    turns: dict[str, list[Spent]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            turns[name].append(timed(step, lengths[name]))
    return {name: Timing.of(of) for name, of in turns.items()}
