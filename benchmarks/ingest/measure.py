"""Measurement of the nodes between the source and the Trainer, each in its own process."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.harness.machine import Machine
from benchmarks.harness.processes import Worker, WorkerError, workers
from benchmarks.ingest.data import WRITERS

POLARS = "benchmarks.ingest.polars_rows:PolarsRows"
STAGES = ("ExampleGen", "StatisticsGen", "Transform")


@dataclass(frozen=True)
class Stage:
    """Time and memory of a node.

    Attributes:
        data: Name of the data in `benchmarks.ingest.data.WRITERS`.
        examples: Number of labels in the data: windows of sequences, or labeled rows.
        node: Id of the node.
        cpu: Seconds of CPU time, over all threads and child processes.
        wall: Seconds of wall time.
        peak: Peak resident memory in bytes.
    """

    data: str
    examples: int
    node: str
    cpu: float
    wall: float
    peak: int

    @property
    def rate(self) -> float:
        """Examples per second of wall time."""
        return self.examples / self.wall


@dataclass
class Results:
    """Results of the benchmark.

    Attributes:
        machine: Machine of the measurement.
        stages: Measured nodes, in the order of measurement.
        failures: Data that could not be measured, each with the reason.
        beam: Beam's engine, as in a configuration.
        polars: Polars on the same labeled rows, if it is installed.
    """

    machine: Machine
    stages: list[Stage]
    failures: list[str]
    beam: Mapping[str, Any] = field(default_factory=lambda: {"kind": "local"})
    polars: list[Stage] = field(default_factory=list)

    def by_data(self) -> dict[tuple[str, int], list[Stage]]:
        """Return the nodes by data and size."""
        found: dict[tuple[str, int], list[Stage]] = {}
        for stage in self.stages:
            found.setdefault((stage.data, stage.examples), []).append(stage)
        return found

    def together(self) -> list[Stage]:
        """Return the totals of all nodes for each data and size: summed times, and the greatest peak."""
        return [
            Stage(data, examples, "all three", sum(s.cpu for s in of), sum(s.wall for s in of), max(s.peak for s in of))
            for (data, examples), of in self.by_data().items()
            if len(of) == len(STAGES)
        ]

    def as_json(self) -> dict[str, Any]:
        """Return the results as a JSON object; `stages` also holds the totals of all nodes per data and size."""
        return {
            "machine": dataclasses.asdict(self.machine),
            "beam": self.beam,
            "stages": [dataclasses.asdict(stage) for stage in (*self.stages, *self.together())],
            "polars": [dataclasses.asdict(stage) for stage in self.polars],
            "failures": self.failures,
        }


def measure(
    target: str, wanted: Iterable[tuple[str, int]], threads: int, say: Callable[[str], None], found: Results
) -> Iterator[list[Stage]]:
    """Measure all nodes for each data and size, and yield the nodes of each as soon as they are measured.

    Args:
        target: `module:class` of a workload. Its arguments are `configuration`, a file, and `root`, a folder.
            `prepare(node)` prepares a node, and a turn runs the node.
        wanted: Names and sizes of the data.
        threads: Size of the libraries' own thread pools.
        say: Receives progress messages.
        found: Names the engine, and receives the measurements.
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
                if data == "rows" and importlib.util.find_spec("polars"):
                    found.polars.append(_with_polars(folder, size, threads))
            except WorkerError as error:
                say(f"{error}\n{error.trace}")
                found.failures.append(f"{data}, {size:,}: {error}")
        found.stages += stages
        yield stages


def run_node(target: str, file: Path, node: str, threads: int, root: Path) -> tuple[float, float, int]:
    """Run a node in a worker. Return the CPU and wall seconds, and the peak memory of the process."""
    with workers() as running:
        worker = running[node] = Worker(target, {"threads": threads, "configuration": str(file), "root": str(root)})
        worker.ask(do="start")
        worker.ask(do="prepare", size={"node": node})
        spent = worker.turn(1)
        return spent.cpu, spent.wall, worker.peak


def _with_polars(folder: Path, size: int, threads: int) -> Stage:
    with workers() as running:
        worker = running["Polars"] = Worker(POLARS, {"threads": threads, "folder": str(folder)})
        worker.ask(do="start")
        worker.ask(do="prepare", size={})
        spent = worker.turn(1)
        return Stage("rows", size, "Polars", spent.cpu, spent.wall, worker.peak)


def examples_of(root: Path) -> int:
    """Return the number of examples over all spans, as counted by ExampleGen."""
    files = root.glob("artifacts/ExampleGen/examples/*/counts.json")
    return sum(sum(json.loads(file.read_text())["examples"].values()) for file in files)


def growth(small: Stage, large: Stage) -> float:
    """Return the exponent p of the growth of CPU time, examples^p."""
    return math.log(large.cpu / small.cpu) / math.log(large.examples / small.examples)


def of_node(stages: Sequence[Stage], data: str, node: str) -> list[Stage]:
    """Return the results of one node on the named data, the smallest size first."""
    return sorted((s for s in stages if s.data == data and s.node == node), key=lambda s: s.examples)
