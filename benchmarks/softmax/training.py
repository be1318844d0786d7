"""Measurement of the whole training: `fit` against the bare step, the input alone, and two replicas against one."""

from __future__ import annotations

import random
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.harness.processes import Worker, WorkerError, workers
from benchmarks.harness.timing import Spent, Timing

_STEPS = "benchmarks.softmax.training_steps"
BARE, FIT, INPUT, REPLICAS = "bare step", "through fit", "input alone", "two replicas"
ARMS = {
    BARE: (f"{_STEPS}:Bare", {}),
    FIT: (f"{_STEPS}:Fit", {}),
    INPUT: (f"{_STEPS}:Input", {}),
    REPLICAS: (f"{_STEPS}:Fit", {"replicas": 2}),
}
# Steps of a pass over the synthetic data, and of a turn. Each turn thus includes all work of a pass.
STEPS = 64


@dataclass(frozen=True)
class TrainingRates:
    """Rates of the whole training.

    Attributes:
        classes: Number of classes.
        batch: Examples per step.
        arms: Milliseconds per step, by name of the arm.
        failed: Error messages of the arms that failed, by name.
    """

    classes: int
    batch: int
    arms: dict[str, Timing]
    failed: dict[str, str]

    def rate(self, name: str) -> float | None:
        """Return the examples per second of wall time, in the best round."""
        return 1e3 * self.batch / self.arms[name].least_wall if name in self.arms else None

    def share(self, name: str, of: str) -> float | None:
        """Return the rate of one arm as a share of another's: the median of the shares in each round.

        The best rounds of two arms may be minutes apart. On a machine with other load, their ratio would compare the
        machine with itself, and could give `fit` far more than 100% of the bare step, which is a part of its work.
        """
        if name not in self.arms or of not in self.arms:
            return None
        own, other = self.arms[name].wall, self.arms[of].wall
        return statistics.median(theirs / ours for ours, theirs in zip(own, other, strict=True))


def estimate_training(rounds: int) -> float:
    """Estimate the seconds of the measurement, see `Grid.estimate`."""
    return 25 + 16 * rounds


def measure_training(
    classes: int, batch: int, rounds: int, threads: int, say: Callable[[str], None], steps: int = STEPS
) -> TrainingRates:
    """Measure all arms in turns, in another order in each round. Each arm has its own process.

    Args:
        classes: Number of classes.
        batch: Examples per step, over all replicas.
        rounds: Number of turns of each arm.
        threads: Threads of each process.
        say: Receives progress messages.
        steps: Steps of a pass over the data, and of a turn.
    """
    turns: dict[str, list[Spent]] = {name: [] for name in ARMS}
    failed: dict[str, str] = {}
    order, names = random.Random(0), [*ARMS]
    with tempfile.TemporaryDirectory() as folder, workers() as running:
        say(f"whole training: starting {len(ARMS)} processes")
        for name, (target, options) in ARMS.items():
            running[name] = Worker(target, {"threads": threads, "folder": folder, **options})
            running[name].send(do="start")
        for round_ in range(-2, rounds):
            if round_ == 0:
                say(f"whole training: {rounds} rounds")
            order.shuffle(names)
            for name in names:
                worker = running[name]
                if name in failed:
                    continue
                try:
                    if round_ == -2:
                        worker.receive()
                    elif round_ == -1:
                        worker.ask(do="prepare", size={"classes": classes, "batch": batch, "steps": steps})
                    else:
                        turns[name].append(worker.turn(steps))
                except WorkerError as error:
                    say(f"{name} failed: {error}\n{error.trace}")
                    failed[name] = str(error)
    arms = {name: Timing.of(spent) for name, spent in turns.items() if name not in failed}
    return TrainingRates(classes, batch, arms, failed)
