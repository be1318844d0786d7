"""Measurement of the cost of a new span in Transform, with and without the cached counts of the older spans."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.harness.machine import Machine
from benchmarks.harness.tables import table
from benchmarks.ingest.data import write_rows, write_sequences
from benchmarks.ingest.measure import STAGES, examples_of, run_node
from components.messages.formatting import in_mebibytes

DATA = {"sequences": (write_sequences, "text"), "rows": (write_rows, "rows.csv")}
"""Writer of a span, and the path that it writes to, by name of the data."""
_WAYS = {
    "older": "the older spans, counted for the first time",
    "cache": "and one new span: only this one is counted",
    "anew": "all spans counted anew",
    "one": "all spans as one source, which keeps no counts",
}


@dataclass(frozen=True)
class Way:
    """Time and memory of one execution of Transform.

    Attributes:
        data: Key of `DATA`.
        name: Key of `_WAYS`, which names the spans that Transform counted.
        spans: Number of spans that Transform transformed.
        examples: Number of labels in the spans.
        cpu: Seconds of CPU time, over all threads and child processes.
        wall: Seconds of wall time.
        peak: Peak resident memory in bytes.
    """

    data: str
    name: str
    spans: int
    examples: int
    cpu: float
    wall: float
    peak: int


@dataclass
class Results:
    """Results of the benchmark, in the order of measurement."""

    machine: Machine
    ways: list[Way]

    def as_json(self) -> dict[str, Any]:
        """Return the results as a JSON object: the machine, and each execution of Transform."""
        return {
            "machine": dataclasses.asdict(self.machine),
            "ways": [dataclasses.asdict(way) for way in self.ways],
        }


def measure(
    target: str, data: str, spans: int, size: int, threads: int, say: Callable[[str], None], found: Results
) -> None:
    """Measure Transform over `spans` older spans, then over these and a new one.

    Args:
        target: `module:class` of a workload; see `benchmarks.ingest.measure.measure`.
        data: Key of `DATA`.
        spans: Number of older spans, at least one.
        size: Approximate number of examples in all spans together.
        threads: Size of the libraries' own thread pools.
        say: Receives progress messages.
        found: Receives the measurements.

    Raises:
        WorkerError: A node failed.
    """
    with tempfile.TemporaryDirectory(prefix="bigvocab-spans-") as name:
        folder = Path(name)
        say(f"{data}: writing {spans + 1} spans of {size // (spans + 1):,} examples")
        configurations = write(folder, data, spans + 1, size)
        for way, newest, root in (
            ("older", spans, "kept"),
            ("cache", spans + 1, "kept"),
            ("anew", spans + 1, "anew"),
            ("one", None, "one"),
        ):
            file = folder / f"{way}.yaml"
            file.write_text(configurations(newest))
            taken = {node: run_node(target, file, node, threads, folder / root) for node in STAGES}
            cpu, wall, peak = taken["Transform"]
            examples = examples_of(folder / root)
            found.ways.append(Way(data, way, newest or spans + 1, examples, cpu, wall, peak))
            say(f"{data}, {_WAYS[way]}: Transform {wall:.1f} s")


def write(folder: Path, data: str, spans: int, size: int) -> Callable[[int | None], str]:
    """Write the files of each span.

    Returns:
        A function that takes the number of the newest span to read and returns the configuration. For None, the
        configuration reads all spans as one source.
    """
    writer, where = DATA[data]
    configuration = ""
    for span in range(1, spans + 1):
        folder_of_span = folder / f"{span}"
        folder_of_span.mkdir()
        configuration = writer(folder_of_span, size // spans, seed=span)
        target = folder / "spans" / f"{span:03}"
        target.mkdir(parents=True)
        written = folder_of_span / where
        for file in written.iterdir() if written.is_dir() else [written]:
            file.rename(target / file.name)
        (folder_of_span / "schema.pbtxt").replace(folder / "schema.pbtxt")
        shutil.rmtree(folder_of_span)

    def reads(newest: int | None) -> str:
        found = yaml.safe_load(configuration)
        found["data"]["source"]["path"] = "spans/*/*" if newest is None else "spans/{SPAN:3}/*"
        if newest is not None:
            found["data"]["span"] = newest
        return yaml.safe_dump(found)

    return reads


def lines(results: Results) -> Iterator[str]:
    """Yield the lines of a table with a row for each `Way`."""
    rows = [
        (_WAYS[way.name], way.data, str(way.spans), f"{way.examples:,}", f"{way.wall:.1f}", f"{way.cpu:.1f}",
         in_mebibytes(way.peak))
        for way in results.ways
    ]  # fmt: skip
    yield from table(("Transform over", "data", "spans", "examples", "wall s", "CPU s", "peak, MiB"), rows)
