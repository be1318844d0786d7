"""Measurement of `bigvocab predict --input` on files of rows."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import zipf
from benchmarks.harness.bounds import Bound
from benchmarks.harness.machine import ChildrenWatch, Machine
from benchmarks.harness.tables import table
from components.inference.model import PushedModel
from components.ingest.spec import DataSpec
from components.messages.formatting import in_mebibytes
from components.preprocessing.vocabulary import category_file, read_vocabulary

TOKENS = 10
"""Tokens in each input column of a row."""
_CHUNK = 10_000
_LARGE = 1_000_000


class PredictionError(RuntimeError):
    """The measured command failed; the message is its standard error."""


@dataclass(frozen=True)
class Prediction:
    """Time and memory of one call of `bigvocab predict`, the start of Python and the loading of the model included.

    Attributes:
        rows: Number of rows in the file.
        wall: Seconds of wall time.
        cpu: Seconds of CPU time.
        peak: Peak resident memory in bytes.
    """

    rows: int
    wall: float
    cpu: float
    peak: int


@dataclass
class Results:
    """Results of the benchmark.

    Attributes:
        machine: Machine of the measurement.
        model: Folder of the model.
        found: One result for each size, the smallest first.
    """

    machine: Machine
    model: str
    found: list[Prediction] = field(default_factory=list)

    @property
    def rate(self) -> float | None:
        """Rows per second beyond the smallest file, so that the start does not count; None with a single size."""
        if len(self.found) < 2:
            return None
        small, large = self.found[0], self.found[-1]
        return (large.rows - small.rows) / (large.wall - small.wall)

    @property
    def growth(self) -> float | None:
        """Ratio of the peak memory of the largest file to that of the smallest; None with a single size."""
        return self.found[-1].peak / self.found[0].peak if len(self.found) > 1 else None

    def as_json(self) -> dict[str, Any]:
        """Return the results as a JSON object."""
        return dataclasses.asdict(self)


def _whole_rate(results: Results) -> float | None:
    large = results.found[-1] if results.found else None
    return large.rows / large.wall if large and large.rows >= _LARGE else None


BOUNDS = (
    Bound("rows of a million answered, start included", "at least", 5_000, _whole_rate, " rows/s"),
    Bound(
        "peak memory, from the smallest file to a million rows",
        "at most",
        1.1,
        lambda results: results.growth if results.found and results.found[-1].rows >= _LARGE else None,
    ),
)


def measure(folder: Path, sizes: Sequence[int], results: Results, say: Callable[[str], None]) -> None:
    """Write a file of rows for each size, and measure the command that answers it.

    Args:
        folder: Folder of one version of a pushed model.
        sizes: Numbers of rows, ascending.
        results: Receives the measurements.
        say: Receives progress messages.

    Raises:
        PredictionError: The command failed.
    """
    data = PushedModel(folder).data
    with tempfile.TemporaryDirectory(prefix="bigvocab-predict-") as name:
        for size in sizes:
            file = Path(name) / "rows.jsonl"
            say(f"{size:,} rows: writing them")
            write_rows(file, data, folder / "assets", size)
            results.found.append(_answered(folder, file, size))
            say(f"{size:,} rows: {results.found[-1].wall:.1f} s")


def write_rows(file: Path, data: DataSpec, vocabularies: Path, rows: int, seed: int = 0) -> None:
    """Write rows in the columns of a model: tokens and categories from its vocabularies by Zipf's law, and numbers.

    Args:
        file: File of JSON Lines to write.
        data: Columns of the model.
        vocabularies: Folder of the vocabulary files.
        rows: Number of rows.
        seed: Seed of the draws.
    """
    rng = np.random.default_rng(seed)
    tokens = read_vocabulary(vocabularies / "inputs").tokens
    categories = {
        name: read_vocabulary(vocabularies / category_file(name)).tokens
        for name, feature in data.features.items()
        if feature.kind == "category"
    }
    numbers = [name for name, feature in data.features.items() if feature.kind == "number"]
    with file.open("w", encoding="utf-8") as out:
        for first in range(0, rows, _CHUNK):
            count = min(_CHUNK, rows - first)
            drawn = {name: _drawn(rng, tokens, count * TOKENS).reshape(count, TOKENS) for name in data.inputs}
            columns: dict[str, Sequence[Any]] = {
                name: values.tolist() if data.tokenizer == "none" else [" ".join(row) for row in values]
                for name, values in drawn.items()
            }
            columns |= {name: _drawn(rng, known, count).tolist() for name, known in categories.items()}
            columns |= {name: rng.normal(size=count).round(4).tolist() for name in numbers}
            names = [*columns]
            cells = zip(*columns.values(), strict=True)
            out.write("".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in cells))


def _drawn(rng: np.random.Generator, tokens: list[str], count: int) -> NDArray[np.object_]:
    return np.array(tokens, dtype=object)[zipf.drawn(zipf.frequencies(len(tokens)), rng.random(count))]


def _answered(folder: Path, file: Path, rows: int) -> Prediction:
    """Run the command in a child process, and return its time and memory."""
    output, log = file.with_name("answers.jsonl"), file.with_name("log")
    command = [sys.executable, "-m", "pipeline.cli", "predict", "--model", str(folder), "--input", str(file)]
    start = time.perf_counter()
    with log.open("wb") as errors, ChildrenWatch() as watch:
        child = subprocess.Popen([*command, "--output", str(output)], stdout=errors, stderr=errors)
        # Not `wait`: the usage of this child alone, not of all children.
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - start
    if child.returncode:
        raise PredictionError(log.read_text(errors="replace"))
    with output.open("rb") as lines:
        if (found := sum(1 for _ in lines)) != rows:
            raise PredictionError(f"{found:,} answers for {rows:,} rows")
    return Prediction(rows, wall, usage.ru_utime + usage.ru_stime, watch.peak)


def lines(results: Results) -> Iterator[str]:
    """Yield the lines of a table with a row for each size, and the rate without the start."""
    rows = [
        (
            f"{each.rows:,}",
            f"{each.wall:.1f}",
            f"{each.rows / each.wall:,.0f}",
            f"{each.cpu:.1f}",
            in_mebibytes(each.peak),
        )
        for each in results.found
    ]
    yield from table(("rows", "wall s", "rows/s", "CPU s", "peak, MiB"), rows)
    if results.rate is not None and results.growth is not None:
        yield ""
        yield (
            f"Beyond the first {results.found[0].rows:,} rows: {results.rate:,.0f} rows/s; peak memory "
            f"{results.growth:.2f}x."
        )
