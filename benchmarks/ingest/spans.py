"""Measures what a new span of data costs Transform: with what it counted of the older ones, and without."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.ingest.data import write_sequences
from benchmarks.ingest.measure import STAGES, examples_of, run_node
from benchmarks.machine import Machine
from benchmarks.tables import mebibytes, table

_TEXTS = "text/{SPAN:3}/all.txt"
_WAYS = {
    "older": "the older spans, counted for the first time",
    "cache": "and one new span: only this one is counted",
    "anew": "all spans counted anew",
    "one": "all spans as one source, which keeps no counts",
}


@dataclass(frozen=True)
class Way:
    """What Transform took.

    Attributes:
        name: which spans it counted: a key of `_WAYS`.
        spans: that it transformed.
        examples: labels in them.
        cpu: seconds, of all threads and of child processes.
        wall: seconds by the clock.
        peak: bytes: the most that was resident at a time.
    """

    name: str
    spans: int
    examples: int
    cpu: float
    wall: float
    peak: int


@dataclass
class Results:
    """Of the benchmark, in the order in which they were measured."""

    machine: Machine
    ways: list[Way]

    def as_json(self) -> dict[str, Any]:
        return {
            "machine": dataclasses.asdict(self.machine),
            "ways": [dataclasses.asdict(way) for way in self.ways],
        }


def measure(target: str, spans: int, windows: int, threads: int, say: Callable[[str], None], found: Results) -> None:
    """Transform over `spans` older spans, and over these and a new one.

    Args:
        target: `module:class` of a workload; see `benchmarks.ingest.measure.measure`.
        spans: older ones; at least one.
        windows: of all spans together: about so many examples.
        threads: of the libraries' own thread pools.
        say: told how far it is.
        found: takes what is measured.

    Raises:
        WorkerError: a node failed.
    """
    with tempfile.TemporaryDirectory(prefix="bigvocab-spans-") as name:
        folder = Path(name)
        say(f"writing {spans + 1} spans of {windows // (spans + 1):,} examples")
        configuration = _write(folder, spans + 1, windows)
        for way, path, newest, root in (
            ("older", _TEXTS, spans, "kept"),
            ("cache", _TEXTS, spans + 1, "kept"),
            ("anew", _TEXTS, spans + 1, "anew"),
            ("one", "text/*/all.txt", None, "one"),
        ):
            file = folder / f"{way}.yaml"
            span = "" if newest is None else f", span: {newest}"
            file.write_text(configuration.replace("path: text}", f'path: "{path}"}}{span}'))
            taken = {node: run_node(target, file, node, threads, folder / root) for node in STAGES}
            cpu, wall, peak = taken["Transform"]
            examples = examples_of(folder / root)
            found.ways.append(Way(way, newest or spans + 1, examples, cpu, wall, peak))
            say(f"{_WAYS[way]}: Transform {wall:.1f} s")


def _write(folder: Path, spans: int, windows: int) -> str:
    """Writes the texts of each span; returns the configuration that reads them as one."""
    configuration = ""
    for span in range(1, spans + 1):
        part = folder / f"{span}"
        part.mkdir()
        configuration = write_sequences(part, windows // spans, seed=span)
        target = folder / "text" / f"{span:03}"
        target.parent.mkdir(exist_ok=True)
        (part / "text").rename(target)
        (part / "schema.pbtxt").replace(folder / "schema.pbtxt")
        shutil.rmtree(part)
    return configuration


def lines(results: Results) -> Iterator[str]:
    """A row for each way."""
    rows = [
        (_WAYS[way.name], str(way.spans), f"{way.examples:,}", f"{way.wall:.1f}", f"{way.cpu:.1f}", mebibytes(way.peak))
        for way in results.ways
    ]
    yield from table(("Transform over", "spans", "examples", "wall s", "CPU s", "peak, MiB"), rows)
