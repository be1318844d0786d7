"""Commands that measure answers: `bigvocab bench predict`, `serve` and `approximate`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from benchmarks import prediction as answers
from benchmarks.approximation import planted, pushed
from benchmarks.commands.common import BenchError, Output, progress
from benchmarks.harness.machine import this_machine
from benchmarks.serving import measure as serving_measure
from components.inference.model import PushedModel
from pipeline.prediction.model import find_version


def prediction(model: Path | None, sizes: Sequence[int], check: bool, out: TextIO, file: Path | None = None) -> int:
    """Measure `bigvocab predict --input`, and print a table. Progress goes to standard error.

    Args:
        model: Folder of a model, of its versions, or of a run. None: the model pushed last under `runs/`.
        sizes: Numbers of rows.
        check: Check the bounds.
        out: Receives the table.
        file: Receives all figures as JSON.

    Returns:
        0, or 1 if the command failed or a checked bound does not hold.

    Raises:
        BenchError: An option is invalid.
        PredictError: There is no such model.
    """
    if not sizes or min(sizes) < 1:
        raise BenchError("--sizes must be at least 1")
    output = Output(out, file)
    folder, machine = find_version(model), this_machine()
    results = answers.Results(machine, str(folder))
    try:
        answers.measure(folder, sorted(set(sizes)), results, progress())
    except answers.PredictionError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return output.finish(results, answers.lines(results), answers.BOUNDS, check)


def serving(
    model: Path | None,
    seconds: float,
    rate: float,
    requests: int,
    check: bool,
    out: TextIO,
    file: Path | None = None,
) -> int:
    """Measure `bigvocab serve` under load, and print a table. Progress goes to standard error.

    Args:
        model: Folder of a model, of its versions, or of a run. None: the model pushed last under `runs/`.
        seconds: Duration of each load.
        rate: Requests per second of the load at a rate.
        requests: Requests after which the memory is measured again; 0: it is not measured.
        check: Check the bounds.
        out: Receives the table.
        file: Receives all figures as JSON.

    Returns:
        0, or 1 if the server failed or a checked bound does not hold.

    Raises:
        BenchError: An option is invalid.
        PredictError: There is no such model.
    """
    if not (seconds > 0 and rate > 0 and requests >= 0):
        raise BenchError("--seconds and --rate must be greater than 0, and --requests at least 0")
    output = Output(out, file)
    folder, machine = find_version(model), this_machine()
    results = serving_measure.Results(machine, str(folder))
    try:
        serving_measure.measure(folder, seconds, rate, requests, results, progress())
    except serving_measure.ServingError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return output.finish(results, serving_measure.lines(results), serving_measure.BOUNDS, check)


def approximate(classes: Sequence[int], rounds: int, check: bool, out: TextIO, file: Path | None = None) -> int:
    """Measure exact and approximate answers over many classes, and print a table. Progress goes to standard error.

    Args:
        classes: Numbers of classes.
        rounds: Turns of each form.
        check: Check the bounds.
        out: Receives the table.
        file: Receives all figures as JSON.

    Returns:
        0, or 1 if a checked bound does not hold.

    Raises:
        BenchError: An option is invalid.
    """
    if not classes or min(classes) < planted.LEAST:
        raise BenchError(f"--classes must be at least {planted.LEAST:,}")
    if rounds < 1:
        raise BenchError("--rounds must be at least 1")
    output = Output(out, file)
    results = planted.Results(this_machine())
    planted.measure(sorted(set(classes)), rounds, results, progress())
    return output.finish(results, planted.lines(results), planted.BOUNDS, check)


def approximate_of_model(
    model: Path, rows: Path | None, most: int, rounds: int, check: bool, out: TextIO, file: Path | None = None
) -> int:
    """Measure the exact and the approximate answers of a model, and print a table. Progress goes to standard error.

    Args:
        model: Folder of a model, of its versions, or of a run.
        rows: File of rows, as `bigvocab predict --input` reads it.
        most: Largest number of rows.
        rounds: Turns of each form.
        check: Check the bounds.
        out: Receives the table.
        file: Receives all figures as JSON.

    Returns:
        0, or 1 if a checked bound does not hold.

    Raises:
        BenchError: An option is invalid, or the model or the file cannot be measured.
        PredictError: There is no such model, or the file cannot be read.
    """
    if rows is None:
        raise BenchError("--model needs --rows FILE, a file of rows that the model answers")
    if rounds < 1 or most < pushed.LEAST:
        raise BenchError(f"--rounds must be at least 1, and --most at least {pushed.LEAST}")
    output = Output(out, file)
    folder = find_version(model)
    results = pushed.Results(this_machine(), str(folder))
    try:
        pushed.measure(PushedModel(folder), rows, most, rounds, results, progress())
    except pushed.UnfitError as error:
        raise BenchError(str(error)) from error
    return output.finish(results, pushed.lines(results), pushed.BOUNDS, check)
