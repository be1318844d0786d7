"""Measurement of the variants over batch sizes and numbers of classes."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.harness.machine import available_memory
from benchmarks.harness.processes import Worker, WorkerError, workers
from benchmarks.harness.timing import TURN_SECONDS, Spent, Timing, steps_a_turn
from benchmarks.softmax.problem import Problem
from benchmarks.softmax.variants import NAIVE, VARIANTS, Variant

# A step over all classes is skipped if its logits alone take more memory.
LOGITS_BYTES = 1 << 30
# Memory of a process that has only loaded its libraries.
PROCESS_BYTES = 1 << 29
# Share of the available memory that the benchmark may use.
MEMORY_SHARE = 0.8


@dataclass(frozen=True)
class Grid:
    """Variants and sizes to measure.

    Attributes:
        variants: Names of the variants.
        classes: Numbers of classes.
        batches: Batch sizes: examples per step.
        rounds: Number of turns of each variant.
        threads: Threads of each process.
    """

    variants: Sequence[str]
    classes: Sequence[int]
    batches: Sequence[int]
    rounds: int
    threads: int

    def estimate(self) -> float:
        """Estimate the seconds of the measurement on two cores of a processor of 2024."""
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
    """Result of a variant.

    Attributes:
        timing: Timing of a step; None if the variant was not measured.
        memory: Peak memory of the turns in bytes, without that of the libraries.
        skipped: Reason why the variant was not measured.
        failed: True if the variant was started and failed.
    """

    timing: Timing | None = None
    memory: int = 0
    skipped: str = ""
    failed: bool = False


@dataclass
class Cell:
    """Results of all variants at one size."""

    problem: Problem
    results: dict[str, Result] = field(default_factory=dict)

    def cpu(self, name: str) -> float | None:
        """Return the least CPU time of a step, in milliseconds."""
        timing = self.results[name].timing if name in self.results else None
        return timing.least_cpu if timing else None

    def speed(self, name: str, against: str = NAIVE) -> float | None:
        """Return the speedup over another variant, by CPU time."""
        own, other = self.cpu(name), self.cpu(against)
        return other / own if own and other else None


def too_large(variant: Variant, problem: Problem) -> str:
    """Return the reason to skip a variant at a size, or an empty string."""
    logits = 4 * problem.batch * problem.classes
    if variant.logits and logits > LOGITS_BYTES:
        return f"its logits alone take {logits / 2**30:.1f} GiB, the bound is {LOGITS_BYTES / 2**30:.0f} GiB"
    return ""


def measure(grid: Grid, say: Callable[[str], None]) -> Iterator[Cell]:
    """Yield each cell as soon as it is measured.

    Each variant of a cell has its own process, and the processes take turns. Separate processes keep the memory figures
    apart, free all memory after a cell, and isolate a variant that fails from the others.

    Args:
        grid: Variants and sizes to measure.
        say: Receives progress messages.
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
    """Measure the variants of a cell in turns, and write the results to the cell."""
    steps: dict[str, int] = {}
    turns: dict[str, list[Spent]] = {}
    for round_ in range(rounds + 1):
        # Variants that failed or were skipped already have a result.
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
    """Record the failure of a variant as its result, which excludes the variant from further turns."""
    try:
        yield
    except WorkerError as error:
        say(f"{name} failed: {error}\n{error.trace}")
        cell.results[name] = Result(skipped=f"failed: {error}", failed=True)


def _fitting(grid: Grid, cell: Cell) -> list[str]:
    """Return the variants that run at this size. Record the reason for each other variant in the cell."""
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
