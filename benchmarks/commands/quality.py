"""Command `bigvocab bench quality`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from benchmarks.commands.common import BenchError, Output, chosen_names, heading, progress
from benchmarks.harness.machine import this_machine
from benchmarks.quality import measure as quality_measure
from benchmarks.quality import report as quality_report
from benchmarks.quality.combinations import COMBINATIONS, DATA
from benchmarks.quality.data import DataError
from pipeline.config.loading import check_files


def quality(
    names: Sequence[str] | None,
    only: Sequence[str] | None,
    seeds: int,
    cpu_seconds: float,
    root: Path,
    out: TextIO,
    file: Path | None = None,
    quick: bool = False,
) -> int:
    """Train combinations of encoder and head for equal CPU time, and print a table for each data set.

    Progress goes to standard error. If the command is interrupted, the results so far are printed.

    Args:
        names: Names of data sets. None selects all.
        only: Names of combinations. None selects all.
        seeds: Number of trainings of each combination.
        cpu_seconds: CPU time of each training.
        root: Folder for the data. Each data set has its own root there.
        out: Receives the tables.
        file: Receives all figures as JSON, after each training.
        quick: True to use less data: those of `--quick` of the presets.

    Returns:
        0, or 1 if the data could not be prepared or a training failed.

    Raises:
        BenchError: An option is invalid.
        ConfigurationError: A data set cannot be read on this machine.
    """
    chosen = chosen_names(only, COMBINATIONS)
    wanted = {data: [n for n in chosen if data in COMBINATIONS[n].data] for data in chosen_names(names, DATA, "--data")}
    if seeds < 1 or cpu_seconds <= 0:
        raise BenchError("--seeds and --cpu-seconds must be above 0")
    output = Output(out, file)
    for data in wanted:
        for request in quality_measure.requests(data, wanted[data], str(root), quick):
            check_files(request.config())
    machine, say = this_machine(), progress()
    say(f"this takes about {quality_measure.estimate(wanted, seeds, cpu_seconds, machine.cores):.0f} min of idle cores")
    results = quality_measure.Results(machine, cpu_seconds, seeds)
    about = f"{cpu_seconds:g} CPU seconds each, eval split"
    for data, of_data in wanted.items():
        measured = quality_measure.measure(data, of_data, str(root), quick, say, results)
        try:
            with contextlib.closing(measured):
                for _ in measured:
                    output.save(results.as_json)
        except DataError as error:
            results.failures.append(str(error))
        finally:  # An interruption too leaves a table of what has ended.
            if data in results.baselines:
                output.print([*quality_report.lines(results, data), "", heading(machine, seeds, about), ""])
    for failure in results.failures:
        sys.stderr.write(f"{failure}\n")
    return 1 if results.failures else 0
