"""Command `bigvocab bench softmax`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from benchmarks.commands.common import BenchError, Output, chosen_names, progress
from benchmarks.harness.machine import this_machine
from benchmarks.softmax import report
from benchmarks.softmax.grid import Grid, measure
from benchmarks.softmax.results import BATCH, BOUNDS, CLASSES, MANY_CLASSES, Results
from benchmarks.softmax.training import estimate_training, measure_training
from benchmarks.softmax.variants import VARIANTS

TRAINING = "training"


@dataclass(frozen=True)
class Options:
    """Options of `bigvocab bench softmax`. None selects the default.

    Attributes:
        only: Names of variants, or `training`.
        batches: Batch sizes: examples per step.
        classes: Numbers of classes.
        rounds: Number of turns of each variant.
        threads: Threads of each process.
        quick: Measure only the most important size, in about a minute.
        check: Check the bounds.
    """

    only: Sequence[str] | None = None
    batches: Sequence[int] | None = None
    classes: Sequence[int] | None = None
    rounds: int | None = None
    threads: int | None = None
    quick: bool = False
    check: bool = False

    def names(self) -> list[str]:
        """Return the names of the variants to measure, and `training`, in the order of the tables.

        Raises:
            BenchError: A name is unknown.
        """
        known = [*VARIANTS, TRAINING]
        if self.only is None:
            return list(VARIANTS) if self.quick and not self.check else known
        return chosen_names(self.only, known)

    def grid(self, cores: int) -> Grid:
        """Return the grid of variants and sizes to measure.

        Raises:
            BenchError: A number is too small.
        """
        classes, batches, rounds = (10_000, 25_000, 100_000, 1_000_000), (512, 1_024, 4_096), 7
        if self.quick:
            classes, batches, rounds = (CLASSES,), (BATCH,), 3
        if self.check:
            classes, batches = (CLASSES, MANY_CLASSES), (BATCH,)
        grid = Grid(
            [name for name in self.names() if name != TRAINING],
            sorted(set(self.classes or classes)),
            sorted(set(self.batches or batches)),
            self.rounds if self.rounds is not None else rounds,
            self.threads if self.threads is not None else cores,
        )
        for option, values, least in (
            ("--classes", grid.classes, 100),
            ("--batch", grid.batches, 1),
            ("--rounds", [grid.rounds], 1),
            ("--threads", [grid.threads], 1),
        ):
            if min(values) < least:
                raise BenchError(f"{option} must be at least {least}, not {min(values)}")
        return grid


def softmax(options: Options, out: TextIO, file: Path | None = None) -> int:
    """Measure training steps of the output layer, and print tables. Progress goes to standard error.

    Args:
        options: The variants and sizes to measure.
        out: Receives the tables.
        file: Receives all figures as JSON.

    Returns:
        0, or 1 if a variant failed or a checked bound does not hold.

    Raises:
        BenchError: An option is invalid.
    """
    machine = this_machine()
    grid, whole = options.grid(machine.cores), TRAINING in options.names()
    output = Output(out, file)
    say = progress()
    seconds = grid.estimate() + (estimate_training(grid.rounds) if whole else 0)
    say(f"this takes about {max(1, round(seconds / 60))} min on two cores that do nothing else")
    results = Results(machine, grid.threads)
    output.print([f"{machine}; {grid.threads} thread{'s' if grid.threads > 1 else ''} a process.", ""])
    if grid.variants:
        output.print([*report.legend(list(grid.variants)), ""])
        for cell in measure(grid, say):
            results.cells[cell.problem.classes, cell.problem.batch] = cell
            output.print([*report.cell_lines(cell), ""])
    if whole:
        classes, batch = (options.classes or [CLASSES])[0], (options.batches or [BATCH])[0]
        results.training = measure_training(classes, batch, grid.rounds, grid.threads, say)
        output.print([*report.training_lines(results.training), ""])
    if len(results.cells) > 1:
        output.print([*report.overview(results.cells), ""])
    if options.check:
        output.print(report.bound_lines(results))
    output.save(results.as_json)
    for failure in results.failures:
        sys.stderr.write(f"{failure}\n")
    missed = options.check and any(bound.missed(results) for bound in BOUNDS)
    return 1 if missed or results.failures else 0
