"""Command `bigvocab bench heads`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from benchmarks.commands.common import BenchError, Output, chosen_names, progress
from benchmarks.harness.machine import this_machine
from benchmarks.harness.processes import WorkerError
from benchmarks.heads import measure as heads_measure
from benchmarks.heads import report as heads_report


def heads(
    only: Sequence[str] | None,
    rounds: int,
    threads: int | None,
    check: bool,
    out: TextIO,
    file: Path | None = None,
    size: heads_measure.Size | None = None,
) -> int:
    """Measure the cost of the forms of a head, and print tables. Progress goes to standard error.

    Args:
        only: Names from `benchmarks.heads.measure.PARTS`. None selects all.
        rounds: Number of turns of each form.
        threads: Threads of each process. None: all cores.
        check: Check the bounds.
        out: Receives the tables.
        file: Receives all figures as JSON.
        size: Sizes of the measurement; None: those of the bounds.

    Returns:
        0, or 1 if a process failed or a checked bound does not hold.

    Raises:
        BenchError: An option is invalid.
    """
    parts, machine = chosen_names(only, heads_measure.PARTS), this_machine()
    threads = machine.cores if threads is None else threads
    if rounds < 1 or threads < 1:
        raise BenchError("--rounds and --threads must be at least 1")
    output = Output(out, file)
    results = heads_measure.Results(machine, threads, replace(size or heads_measure.Size(), rounds=rounds))
    try:
        heads_measure.measure(parts, results, progress())
    except WorkerError as error:
        sys.stderr.write(f"{error}\n{error.trace}\n")
        return 1
    output.print([f"{machine}; {threads} thread{'s' if threads > 1 else ''} a process.", ""])
    output.print(heads_report.lines(results))
    if check:
        output.print(heads_report.bound_lines(results))
    output.save(results.as_json)
    return 1 if check and any(bound.missed(results) for bound in heads_measure.BOUNDS) else 0
