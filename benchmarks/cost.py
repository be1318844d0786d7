"""Cost model: disk, memory and time of a run on data of a given size, from the configuration and measured rates.

Sizes come from the estimates with which a run checks the disk (`Node.space`) and the memory. Times are CPU times that
`bigvocab bench` measured on two cores, extrapolated in proportion. Nothing is read or measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

from benchmarks.harness.tables import table
from components.ingest.extent import Extent
from components.messages.formatting import in_bytes
from components.training.size import export_size, resident_size
from pipeline.config.spec import Config
from pipeline.execution.space import Forecast
from pipeline.nodes import NODES

_TOKEN_BYTES = 6
_NUMBER_BYTES = 8
SECONDS_A_ROW = {"ExampleGen": 9.0e-6, "StatisticsGen": 1.3e-6, "Transform": 13.3e-6}
"""CPU seconds for a labeled row of ten items, at ten million rows, by `bigvocab bench ingest`: see README.md."""
SECONDS_A_STEP = 0.103
"""CPU seconds of a training step of the default model, 1,024 examples and 25,000 classes: `bigvocab bench softmax`."""
SECONDS_A_CANDIDATE = 0.0141 / 1_304
"""CPU seconds of the output layer for each candidate of a step of 1,024 examples: row-wise form, 25,000 classes."""
MEASURED_CANDIDATES, MEASURED_BATCH = 1_304, 1_024
SECONDS_A_SCORE = 0.116 / (1_024 * 25_000)
"""CPU seconds to score one class for one row and to find the best ten: `bigvocab bench heads`, softmax alone."""
ITEMS_MEASURED = 10


class _Given(Extent):
    """Extent of data whose vocabularies are as large as the configuration allows."""

    def distinct(self, most: int) -> int:
        """Return the configured size."""
        return most


@dataclass(frozen=True)
class Cost:
    """Predicted cost of a run.

    Attributes:
        disk: Most space below the root during the run, in bytes.
        examples: Space of the rows and of the ids in it, in bytes.
        model: Size of the exported model in bytes.
        memory: Memory of the weights, of their best values and of both moments of Adam, in bytes: a lower bound.
        ingest: Wall-clock seconds of ExampleGen, StatisticsGen and Transform.
        epoch: Wall-clock seconds of one pass over the train split.
        scores: Wall-clock seconds in which 10,000 rows are evaluated over all classes.
    """

    disk: int
    examples: int
    model: int
    memory: int
    ingest: float
    epoch: float
    scores: float


def cost(config: Config, rows: int, tokens: int, cores: int) -> Cost:
    """Predict the cost of a run on one machine without GPUs.

    The training and ExampleGen use all cores. StatisticsGen and Transform use one core, as measured.

    Args:
        config: Configuration; `vocabulary.inputs` and `vocabulary.labels` are the sizes of the vocabularies.
        rows: Number of rows, each with one label.
        tokens: Number of tokens of a row.
        cores: Number of cores.

    Raises:
        ValueError: A number is below 1.
    """
    if min(rows, tokens, cores) < 1:
        raise ValueError(f"rows, tokens and cores must be at least 1, not {rows}, {tokens} and {cores}")
    columns = len(config.data.inputs) + len(config.data.features) + 1
    size = rows * (tokens * _TOKEN_BYTES + columns * _NUMBER_BYTES)
    extent = _Given(size, rows * tokens, rows, columns)
    spaces = {node.name: node.space(config, extent) for node in NODES if node.present(config)}
    work = tokens / ITEMS_MEASURED
    ingest = rows * work * (SECONDS_A_ROW["ExampleGen"] / cores + SECONDS_A_ROW["Transform"])
    # Statistics are those of `statistics.max_rows` rows, but all rows are read.
    ingest += rows * SECONDS_A_ROW["StatisticsGen"]
    batch, classes = config.trainer.batch, config.vocabulary.labels
    candidates = min(classes, batch + config.trainer.head.negatives)
    step = SECONDS_A_STEP + SECONDS_A_CANDIDATE * (candidates - MEASURED_CANDIDATES)
    epoch = rows / MEASURED_BATCH * step / cores
    return Cost(
        disk=Forecast(spaces).most,
        examples=spaces["ExampleGen"].kept + spaces["Transform"].kept,
        model=export_size(config, extent),
        memory=resident_size(config, extent),
        ingest=ingest,
        epoch=epoch,
        scores=10_000 * classes * SECONDS_A_SCORE / cores,
    )


def lines(found: Cost) -> Iterator[str]:
    """Yield the lines of a table of the cost."""
    rows = [
        ("disk, at most at a time", in_bytes(found.disk)),
        ("of which rows and ids", in_bytes(found.examples)),
        ("exported model", in_bytes(found.model)),
        ("memory of the Trainer, at least", in_bytes(found.memory)),
        ("time to ingest and transform", duration(found.ingest)),
        ("time of one epoch", duration(found.epoch)),
        ("time to evaluate 10,000 rows", duration(found.scores)),
    ]
    yield from table(("", "predicted"), rows)


def show(found: Cost, out: TextIO) -> int:
    """Print the table and its limits, and return the exit code 0."""
    print("\n".join(lines(found)), file=out)
    print(
        "\nTimes are in proportion to those of two cores of a server; expect a factor of two. A GPU and a Beam engine "
        "are not in the model.",
        file=out,
    )
    return 0


def duration(seconds: float) -> str:
    """Return a time in words, with two digits."""
    for unit, length in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{float(f'{seconds / length:.2g}'):g} {unit}"
    return f"{float(f'{seconds:.2g}'):g} s"
