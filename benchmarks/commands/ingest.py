"""Command `bigvocab bench ingest`, with and without spans."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import yaml
from pydantic import TypeAdapter, ValidationError

from benchmarks.commands.common import BenchError, Output, chosen_names, progress
from benchmarks.harness.machine import this_machine
from benchmarks.harness.processes import WorkerError
from benchmarks.ingest import measure as ingest_measure
from benchmarks.ingest import report as ingest_report
from benchmarks.ingest import spans as ingest_spans
from benchmarks.ingest.data import CORPUS, WRITERS
from benchmarks.ingest.stage import TARGET as STAGE
from pipeline.config.sections.beam import BeamSpec, option_faults


def ingest(
    only: Sequence[str] | None,
    sizes: Sequence[int],
    check: bool,
    out: TextIO,
    file: Path | None = None,
    beam: str = "{kind: local}",
) -> int:
    """Measure the nodes between the source and the Trainer, and print tables. Progress goes to standard error.

    Args:
        only: Names of data. None selects all.
        sizes: Numbers of examples: windows of sequences, or labeled rows. The default corpus has a fixed size.
        check: Check the bounds.
        out: Receives the tables.
        file: Receives all figures as JSON.
        beam: Beam's engine, as the YAML below `beam` in a configuration.

    Returns:
        0, or 1 if a node failed or a checked bound does not hold.

    Raises:
        BenchError: An option is invalid.
    """
    names = chosen_names(only, WRITERS)
    if not sizes or min(sizes) < 1_000:
        raise BenchError("--sizes must be at least 1,000: the splits of fewer rows may be empty")
    output = Output(out, file)
    machine, say = this_machine(), progress()
    results = ingest_measure.Results(machine, [], [], _engine(beam))
    wanted = [(name, size) for name in names for size in ([0] if name == CORPUS else sorted(set(sizes)))]
    for _ in ingest_measure.measure(STAGE, wanted, machine.cores, say, results):
        output.save(results.as_json)  # Written after each size, since large sizes take long.
    output.print([f"{machine}.", "", *ingest_report.engine_lines(results), *ingest_report.stage_lines(results)])
    output.print(["", *ingest_report.growth_lines(results)])
    if check:
        output.print(["", *ingest_report.bound_lines(results)])
    for failure in results.failures:
        sys.stderr.write(f"{failure}\n")
    return 1 if results.failures or (check and ingest_report.missed(results)) else 0


def spans(only: Sequence[str] | None, older: int, sizes: Sequence[int], out: TextIO, file: Path | None = None) -> int:
    """Measure the cost of a new span in Transform, with and without the cached counts of the older spans.

    Args:
        only: Names from `benchmarks.ingest.spans.DATA`. None selects all.
        older: Number of spans before the new one.
        sizes: Total numbers of examples over all spans. Each size has a table.
        out: Receives the tables.
        file: Receives all figures as JSON.

    Returns:
        0, or 1 if a node failed.

    Raises:
        BenchError: An option is invalid.
    """
    if older < 1 or not sizes or min(sizes) < 20_000 * (older + 1):
        raise BenchError(
            "--spans takes one older span or more, and --sizes 20,000 examples for each: splits may be empty"
        )
    output = Output(out, file)
    chosen = chosen_names(only, ingest_spans.DATA)
    machine, say = this_machine(), progress()
    found = []
    for size in sorted(set(sizes)):
        results = ingest_spans.Results(machine, [])
        for data in chosen:
            try:
                ingest_spans.measure(STAGE, data, older, size, machine.cores, say, results)
            except WorkerError as error:
                sys.stderr.write(f"{error}\n{error.trace}\n")
                return 1
        found.append(results)
        output.print([f"{machine}.", "", *ingest_spans.lines(results)])
    output.save(lambda: [results.as_json() for results in found])
    return 0


def _engine(text: str) -> dict[str, Any]:
    """Parse and validate the YAML below `beam` in a configuration.

    Raises:
        BenchError: The YAML or an option in it is invalid.
    """
    try:
        found = TypeAdapter(BeamSpec).validate_python(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise BenchError(f"--beam: no YAML: {text}") from error
    except ValidationError as error:
        faults = [": ".join(filter(None, (".".join(map(str, e["loc"])), e["msg"]))) for e in error.errors()]
        raise BenchError(f"--beam: {'; '.join(faults)}") from error
    if faults := option_faults(found):
        raise BenchError("; ".join(faults))
    return found.model_dump(mode="json", exclude_none=True)
