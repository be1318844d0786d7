"""Measures the whole training: `fit` against the bare step, the input alone, two replicas against one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.processes import Worker, WorkerError, workers
from benchmarks.timing import Spent, Timing

_STEPS = "benchmarks.softmax.training_steps"
BARE, FIT, INPUT, REPLICAS = "bare step", "through fit", "input alone", "two replicas"
ARMS = {
    BARE: (f"{_STEPS}:Bare", {}),
    FIT: (f"{_STEPS}:Fit", {}),
    INPUT: (f"{_STEPS}:Input", {}),
    REPLICAS: (f"{_STEPS}:Fit", {"replicas": 2}),
}
# A pass over the synthetic data, so that each turn holds all that happens in a pass.
STEPS = 64


@dataclass(frozen=True)
class TrainingRates:
    """How fast the whole training is.

    Attributes:
        classes: of the output.
        batch: examples a step.
        arms: milliseconds a step, by name.
        failed: what an arm died of, by name.
    """

    classes: int
    batch: int
    arms: dict[str, Timing]
    failed: dict[str, str]

    def rate(self, name: str) -> float | None:
        """Examples a second by the clock, in the best round."""
        return 1e3 * self.batch / self.arms[name].least_wall if name in self.arms else None

    def share(self, name: str, of: str) -> float | None:
        """The rate of one arm as a share of another's."""
        own, other = self.rate(name), self.rate(of)
        return own / other if own and other else None


def estimate_training(rounds: int) -> float:
    """Seconds that it will take, roughly: see `Grid.estimate`."""
    return 25 + 16 * rounds


def measure_training(
    classes: int, batch: int, rounds: int, threads: int, say: Callable[[str], None], steps: int = STEPS
) -> TrainingRates:
    """One process an arm; the arms take turns.

    Args:
        classes: of the output.
        batch: examples a step, over all replicas.
        rounds: turns of each arm.
        threads: of each process.
        say: told how far it is.
        steps: of a pass over the data, and of a turn.
    """
    turns: dict[str, list[Spent]] = {name: [] for name in ARMS}
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder, workers() as running:
        say(f"whole training: starting {len(ARMS)} processes")
        for name, (target, options) in ARMS.items():
            running[name] = Worker(target, {"threads": threads, "folder": folder, **options})
            running[name].send(do="start")
        for round_ in range(-2, rounds):
            if round_ == 0:
                say(f"whole training: {rounds} rounds")
            for name, worker in running.items():
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
