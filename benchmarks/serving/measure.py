"""Measurement of `bigvocab serve`: requests per second, latency, CPU time and memory."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.bounds import Bound
from benchmarks.harness.machine import Machine, resident_memory
from benchmarks.harness.tables import table
from benchmarks.prediction import write_rows
from benchmarks.serving.client import Load, Measured
from components.inference.model import PushedModel
from components.ingest.rows.columns import row_to_columns
from components.ingest.spec import DataSpec
from components.messages.formatting import in_mebibytes

LOADS = ((1, 1), (1, 16), (1, 50), (8, 8), (64, 4), (256, 2))
"""Rows of a request, and number of clients, of each measurement."""
CLIENTS = 50
"""Clients of the requests at a rate, and of the many requests."""
WRONG_EVERY = 50
_BODIES = 64
_ALL = 100_000


class ServingError(RuntimeError):
    """The server did not start, or gave a wrong answer."""


@dataclass(frozen=True)
class Answered:
    """Answers to a load.

    Attributes:
        rows: Rows of a request.
        clients: Number of clients.
        requests: Number of answered requests.
        rate: Requests per second that were planned; None: as many as the server answers.
        wall: Seconds.
        p50: Median latency in milliseconds.
        p99: 99th percentile of the latency in milliseconds.
        cpu: CPU milliseconds of the server for a request.
    """

    rows: int
    clients: int
    requests: int
    rate: float | None
    wall: float
    p50: float
    p99: float
    cpu: float


@dataclass(frozen=True)
class Memory:
    """Resident memory of the server before and after many requests, some of them malformed.

    Attributes:
        requests: Number of requests.
        refused: Number of malformed ones, each refused.
        before: Bytes after the first tenth of the requests.
        after: Bytes at the end.
    """

    requests: int
    refused: int
    before: int
    after: int


@dataclass
class Results:
    """Results of the benchmark.

    Attributes:
        machine: Machine of the measurement.
        model: Folder of the model.
        found: Answers to each load.
        memory: Memory under many requests; None if it was not measured.
    """

    machine: Machine
    model: str
    found: list[Answered] = field(default_factory=list)
    memory: Memory | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the results as a JSON object."""
        return dataclasses.asdict(self)


def _single_rows(results: Results) -> float | None:
    return max((each.requests / each.wall for each in results.found if each.rows == 1 and not each.rate), default=None)


def _at_rate(results: Results) -> float | None:
    return next((each.p99 for each in results.found if each.rate == 100), None)


def _growth(results: Results) -> float | None:
    memory = results.memory
    return memory.after / memory.before if memory and memory.requests >= _ALL else None


BOUNDS = (
    Bound("requests with one row", "at least", 300, _single_rows, "/s"),
    Bound("99th percentile at 100 requests/s", "at most", 50, _at_rate, " ms"),
    Bound("memory from 10,000 to 100,000 requests", "at most", 1.05, _growth),
)


def measure(
    folder: Path, seconds: float, rate: float, requests: int, results: Results, say: Callable[[str], None]
) -> None:
    """Start a server, and send it each load from a process of its own.

    Args:
        folder: Folder of one version of a pushed model.
        seconds: Duration of each load.
        rate: Requests per second of the load at a rate.
        requests: Requests after which the memory is measured again; 0: it is not measured.
        results: Receives the measurements.
        say: Receives progress messages.

    Raises:
        ServingError: The server did not start, or gave a wrong answer.
    """
    data = PushedModel(folder).data
    with tempfile.TemporaryDirectory(prefix="bigvocab-serve-") as name:
        file = Path(name) / "rows.jsonl"
        write_rows(file, data, folder / "assets", _BODIES * 4)
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    with _server(folder) as (process, port):
        path = "/v1/models/bench:predict"

        def send(size: int, clients: int, **options: Any) -> Answered:
            load = Load("127.0.0.1", port, path, bodies(rows, data, size), clients, **options)
            cpu = _cpu_seconds(process.pid)
            measured = _sent(load)
            cpu = _cpu_seconds(process.pid) - cpu
            times = np.array(measured.latencies)
            p50, p99 = np.percentile(times, [50, 99])
            found = Answered(
                size, clients, len(times), load.rate, measured.seconds, float(p50), float(p99), 1e3 * cpu / len(times)
            )
            say(f"{size} rows, {clients} clients: {len(times) / measured.seconds:,.0f} requests/s, p99 {p99:.1f} ms")
            return found

        send(1, 4, seconds=min(2.0, seconds))  # The first requests of a size take longer.
        results.found += [send(size, clients, seconds=seconds) for size, clients in LOADS]
        results.found.append(send(1, CLIENTS, seconds=2 * seconds, rate=rate))
        if requests:
            results.memory = _memory(
                process.pid, Load("127.0.0.1", port, path, bodies(rows, data, 1), CLIENTS), requests
            )


def bodies(rows: Sequence[dict[str, Any]], data: DataSpec, size: int) -> list[str]:
    """Return bodies of requests for the signature `predict`.

    Args:
        rows: Rows of JSON Lines.
        data: Columns of the model.
        size: Rows of a request.
    """
    instances = [_instance(row, data) for row in rows]
    made = [[instances[(size * number + place) % len(rows)] for place in range(size)] for number in range(_BODIES)]
    return [json.dumps({"signature_name": "predict", "instances": each}) for each in made]


def _instance(row: dict[str, Any], data: DataSpec) -> dict[str, Any]:
    columns = row_to_columns(row, data.model_copy(update={"group_by": [], "order_by": None, "slices": []}))
    missing = {"number": float("nan"), "category": ""}
    features = {
        name: columns[name][0] if columns[name] else missing[feature.kind] for name, feature in data.features.items()
    }
    return {name: columns[name] for name in (*data.inputs, *data.token_columns)} | features


def _memory(server: int, load: Load, requests: int) -> Memory:
    first = max(1, requests // 10)
    mixed = dataclasses.replace(load, wrong_every=WRONG_EVERY)
    refused = _sent(dataclasses.replace(mixed, requests=first)).refused
    before = resident_memory(server)
    refused += _sent(dataclasses.replace(mixed, requests=requests - first)).refused
    return Memory(requests, refused, before, resident_memory(server))


def _sent(load: Load) -> Measured:
    """Send a load from a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.serving.client"],
        input=json.dumps(dataclasses.asdict(load)), capture_output=True, text=True, check=False,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    if done.returncode:
        raise ServingError(f"the client failed:\n{done.stderr[-2_000:]}")
    measured = Measured(**json.loads(done.stdout))
    if measured.faults:
        raise ServingError("\n".join(["wrong answers:", *measured.faults]))
    return measured


@contextlib.contextmanager
def _server(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start a server, and yield its process and its port."""
    command = [sys.executable, "-m", "pipeline.cli", "serve", "--model", str(folder), "--name", "bench"]
    process = subprocess.Popen(
        [*command, "--port", "0", "--host", "127.0.0.1"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert process.stdout
    try:
        said = ""
        for line in process.stdout:
            said += line
            if found := re.search(r"http://127\.0\.0\.1:(\d+)/v1/", line):
                yield process, int(found[1])
                return
        raise ServingError(f"the server did not start:\n{said}")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _cpu_seconds(process: int) -> float:
    """Return the CPU time of a process, of all its threads."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def lines(results: Results) -> Iterator[str]:
    """Yield the lines of a table with a row for each load, and the memory."""
    rows = [
        (
            f"{each.rows}",
            f"{each.clients}",
            f"{each.rate:g}/s" if each.rate else "no limit",
            f"{each.requests / each.wall:,.0f}",
            f"{each.rows * each.requests / each.wall:,.0f}",
            f"{each.p50:.1f}",
            f"{each.p99:.1f}",
            f"{each.cpu:.1f}",
        )
        for each in results.found
    ]
    header = ("rows of a request", "clients", "rate", "requests/s", "rows/s", "p50, ms", "p99, ms", "server CPU, ms")
    yield from table(header, rows)
    if memory := results.memory:
        yield ""
        yield (
            f"Memory after {max(1, memory.requests // 10):,} and {memory.requests:,} requests of {CLIENTS} clients, "
            f"{memory.refused:,} of them malformed and refused: {in_mebibytes(memory.before)} and "
            f"{in_mebibytes(memory.after)} MiB."
        )
