"""Measures the nodes from the source to what the Trainer reads, each in a process of its own."""

from __future__ import annotations

import dataclasses
import json
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.ingest.data import WRITERS
from benchmarks.machine import Machine
from benchmarks.processes import Worker, WorkerError, workers

STAGES = ("ExampleGen", "StatisticsGen", "Transform")


@dataclass(frozen=True)
class Stage:
    """What a node took.

    Attributes:
        data: which data: a name of `benchmarks.ingest.data.WRITERS`.
        examples: labels in them: windows of sequences, or labelled rows.
        node: its id.
        cpu: seconds, of all threads and of child processes.
        wall: seconds by the clock.
        peak: bytes: the most that was resident at a time.
    """

    data: str
    examples: int
    node: str
    cpu: float
    wall: float
    peak: int

    @property
    def rate(self) -> float:
        """Examples a second, by the clock."""
        return self.examples / self.wall


@dataclass
class Results:
    """Of a benchmark.

    Attributes:
        stages: in the order in which they were measured.
        failures: what data could not be measured, and why.
        beam: Beam's engine, as a configuration names it.
    """

    machine: Machine
    stages: list[Stage]
    failures: list[str]
    beam: Mapping[str, Any] = field(default_factory=lambda: {"kind": "local"})

    def by_data(self) -> dict[tuple[str, int], list[Stage]]:
        """The nodes of each data and size, by both."""
        found: dict[tuple[str, int], list[Stage]] = {}
        for stage in self.stages:
            found.setdefault((stage.data, stage.examples), []).append(stage)
        return found

    def together(self) -> list[Stage]:
        """Of each data and size all nodes, one after the other."""
        return [
            Stage(data, examples, "all three", sum(s.cpu for s in of), sum(s.wall for s in of), max(s.peak for s in of))
            for (data, examples), of in self.by_data().items()
            if len(of) == len(STAGES)
        ]

    def as_json(self) -> dict[str, Any]:
        return {
            "machine": dataclasses.asdict(self.machine),
            "beam": self.beam,
            "stages": [dataclasses.asdict(stage) for stage in (*self.stages, *self.together())],
            "failures": self.failures,
        }


def measure(
    target: str, wanted: Iterable[tuple[str, int]], threads: int, say: Callable[[str], None], found: Results
) -> Iterator[list[Stage]]:
    """The nodes of one data and size after the other; each is put into the results too.

    Args:
        target: `module:class` of a workload: made with `configuration`, a file, and `root`, a folder; `prepare(node)`
            makes a node ready, and a turn runs it.
        wanted: names of data, and sizes.
        threads: of the libraries' own thread pools.
        say: told how far it is.
        found: names the engine, and takes what is measured.
    """
    for data, size in wanted:
        with tempfile.TemporaryDirectory(prefix="bigvocab-ingest-") as name:
            folder, stages = Path(name), []
            say(f"{data}, {size:,}: writing the data" if size else data)
            file = folder / f"{data}.yaml"
            file.write_text(f"{WRITERS[data](folder, size)}beam: {json.dumps(found.beam)}\n")
            try:
                for node in STAGES:
                    cpu, wall, peak = run_node(target, file, node, threads, folder / "run")
                    stage = Stage(data, examples_of(folder / "run"), node, cpu, wall, peak)
                    say(f"{data}, {stage.examples:,}: {node} {wall:.1f} s")
                    stages.append(stage)
            except WorkerError as error:
                say(f"{error}\n{error.trace}")
                found.failures.append(f"{data}, {size:,}: {error}")
        found.stages += stages
        yield stages


def run_node(target: str, file: Path, node: str, threads: int, root: Path) -> tuple[float, float, int]:
    """CPU and wall seconds of a node, and the peak of its process."""
    with workers() as running:
        worker = running[node] = Worker(target, {"threads": threads, "configuration": str(file), "root": str(root)})
        worker.ask(do="start")
        worker.ask(do="prepare", size={"node": node})
        spent = worker.turn(1)
        return spent.cpu, spent.wall, worker.peak


def examples_of(root: Path) -> int:
    """As ExampleGen has counted them, of all spans."""
    files = root.glob("artifacts/ExampleGen/examples/*/counts.json")
    return sum(sum(json.loads(file.read_text())["examples"].values()) for file in files)


def growth(small: Stage, large: Stage) -> float:
    """The exponent p with which CPU time grows: as examples^p."""
    return math.log(large.cpu / small.cpu) / math.log(large.examples / small.examples)


def of_node(stages: Sequence[Stage], data: str, node: str) -> list[Stage]:
    """By size, the smallest first."""
    return sorted((s for s in stages if s.data == data and s.node == node), key=lambda s: s.examples)
