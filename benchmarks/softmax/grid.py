"""Measures the variants over batches and numbers of classes."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.machine import available_memory
from benchmarks.processes import Worker, WorkerError, workers
from benchmarks.softmax.problem import Problem
from benchmarks.softmax.variants import NAIVE, VARIANTS, Variant
from benchmarks.timing import TURN_SECONDS, Spent, Timing, steps_a_turn

# A step over all classes is left out where its logits alone take more.
LOGITS_BYTES = 1 << 30
# A process with nothing in it but its libraries.
PROCESS_BYTES = 1 << 29
# Of the memory that is available, this share is used.
MEMORY_SHARE = 0.8


@dataclass(frozen=True)
class Grid:
    """What is to be measured.

    Attributes:
        variants: by name.
        classes: numbers of classes.
        batches: examples a step.
        rounds: turns of each variant.
        threads: of each process.
    """

    variants: Sequence[str]
    classes: Sequence[int]
    batches: Sequence[int]
    rounds: int
    threads: int

    def estimate(self) -> float:
        """Seconds that it will take, roughly: on two cores of a processor of 2024."""
        seconds = 0.0
        for classes in self.classes:
            for batch in self.batches:
                seconds += 3.0 * len(self.variants)
                for name in self.variants:
                    if too_large(VARIANTS[name], Problem(classes, batch)):
                        continue
                    step = (1e-8 if VARIANTS[name].logits else 0.0) * batch * classes
                    seconds += 1.0 + 2e-6 * classes + (4 + self.rounds) * step + self.rounds * TURN_SECONDS
        return seconds


@dataclass
class Result:
    """How a variant did.

    Attributes:
        timing: of a step; None where it was not measured.
        memory: bytes beyond those of the libraries, at the peak of the turns.
        skipped: why it was not measured.
        failed: whether it was tried.
    """

    timing: Timing | None = None
    memory: int = 0
    skipped: str = ""
    failed: bool = False


@dataclass
class Cell:
    """All variants at one size."""

    problem: Problem
    results: dict[str, Result] = field(default_factory=dict)

    def cpu(self, name: str) -> float | None:
        """Least CPU time of a step in ms."""
        timing = self.results[name].timing if name in self.results else None
        return timing.least_cpu if timing else None

    def speed(self, name: str, against: str = NAIVE) -> float | None:
        """How many times as fast as another variant, by CPU time."""
        own, other = self.cpu(name), self.cpu(against)
        return other / own if own and other else None


def too_large(variant: Variant, problem: Problem) -> str:
    """Why a variant is left out at a size; empty where it is not."""
    logits = 4 * problem.batch * problem.classes
    if variant.logits and logits > LOGITS_BYTES:
        return f"its logits alone take {logits / 2**30:.1f} GiB, the bound is {LOGITS_BYTES / 2**30:.0f} GiB"
    return ""


def measure(grid: Grid, say: Callable[[str], None]) -> Iterator[Cell]:
    """The cells, one after the other, each as soon as it is measured.

    A cell has its own processes, one a variant, which take turns: memory is told apart and given back in the end, and a
    variant that fails does not take others with it.

    Args:
        grid: what is to be measured.
        say: told how far it is.
    """
    order = random.Random(0)
    for classes, batch in itertools.product(grid.classes, grid.batches):
        cell = Cell(Problem(classes, batch))
        chosen = _fitting(grid, cell)
        where = f"{classes:,} classes, B={batch:,}"
        with workers() as running:
            say(f"{where}: starting {len(chosen)} processes")
            for name in chosen:
                variant = VARIANTS[name]
                running[name] = Worker(variant.target, {"threads": grid.threads, **variant.options})
                running[name].send(do="start")
            resident: dict[str, int] = {}
            for name in chosen:
                with _failures(cell, name, say):
                    resident[name] = running[name].receive()["resident"]
            _take_turns(cell, running, grid.rounds, order, lambda text, where=where: say(f"{where}: {text}"))
        for name, before in resident.items():
            cell.results[name].memory = max(0, cell.results[name].memory - before)
        yield cell


def _take_turns(
    cell: Cell, running: Mapping[str, Worker], rounds: int, order: random.Random, say: Callable[[str], None]
) -> None:
    """Fills the results of a cell."""
    steps: dict[str, int] = {}
    turns: dict[str, list[Spent]] = {}
    for round_ in range(rounds + 1):
        # What failed, or was left out, has its result already.
        names = [name for name in running if name not in cell.results]
        if round_ < 2:
            say(f"{rounds} rounds" if round_ else f"building {len(names)} variants")
        order.shuffle(names)
        for name in names:
            worker = running[name]
            with _failures(cell, name, say):
                if round_:
                    turns[name].append(worker.turn(steps[name]))
                    continue
                worker.ask(do="prepare", size={"classes": cell.problem.classes, "batch": cell.problem.batch})
                worker.peak = 0
                steps[name], turns[name] = steps_a_turn(worker.turn(1)), []
    for name in turns:
        if name not in cell.results:
            cell.results[name] = Result(Timing.of(turns[name]), running[name].peak)


@contextlib.contextmanager
def _failures(cell: Cell, name: str, say: Callable[[str], None]) -> Iterator[None]:
    """A variant that fails is left out from there on."""
    try:
        yield
    except WorkerError as error:
        say(f"{name} failed: {error}\n{error.trace}")
        cell.results[name] = Result(skipped=f"failed: {error}", failed=True)


def _fitting(grid: Grid, cell: Cell) -> list[str]:
    """The variants that run at this size; of the others the cell is told why not."""
    free = MEMORY_SHARE * available_memory()
    chosen = []
    for name in grid.variants:
        variant = VARIANTS[name]
        reason = too_large(variant, cell.problem)
        if variant.torch and importlib.util.find_spec("torch") is None:
            reason = "PyTorch is not installed: uv sync --extra pipeline --group bench"
        wanted = PROCESS_BYTES + variant.memory(cell.problem)
        if not reason and wanted > free:
            reason = f"it takes about {wanted / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are left"
        if reason:
            cell.results[name] = Result(skipped=reason)
        else:
            chosen.append(name)
            free -= wanted
    return chosen
