"""Measurement of the approximate answers of a pushed model against its exact ones, on rows of a file."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.approximation import requests
from benchmarks.harness.bounds import Bound
from benchmarks.harness.machine import Machine
from benchmarks.harness.tables import table
from benchmarks.harness.timing import Timing
from components.inference.model import PushedModel
from components.inference.rows.questions import Questions
from components.ingest.spec import DataSpec

LEAST = 64
"""Least number of rows."""
FORMS = ("exact", "approximate")


@dataclass
class Results:
    """Results of the benchmark.

    Attributes:
        machine: Machine of the measurement.
        model: Folder of the model.
        classes: Number of classes.
        rows: Number of rows that were answered.
        first: Number of labels of an answer that `recall` compares.
        recall: Mean share of the first labels of the exact answers that the approximate answers have.
        nats: Mean absolute error of the log probability of the most probable label.
        times: Time of a request, by form and by number of rows.
    """

    machine: Machine
    model: str
    classes: int = 0
    rows: int = 0
    first: int = 0
    recall: float | None = None
    nats: float | None = None
    times: dict[str, dict[int, Timing]] = dataclasses.field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the results as a JSON object."""
        return dataclasses.asdict(self)


BOUNDS = (Bound("recall of the first labels", "at least", 99, lambda r: r.recall and 100 * r.recall, "%"),)


class UnfitError(ValueError):
    """The model or the file cannot be measured, described in a sentence."""


def measure(
    model: PushedModel, file: Path, most: int, rounds: int, results: Results, say: Callable[[str], None]
) -> None:
    """Answer the rows of a file both ways, and measure both in turns.

    Args:
        model: Pushed model. Its signature `serving_default` answers approximately, and `predict` exactly.
        file: File of rows, as `bigvocab predict --input` reads it.
        most: Largest number of rows: the first ones that the model can answer.
        rounds: Turns of each form.
        results: Receives the measurements.
        say: Receives progress messages.

    Raises:
        UnfitError: The model answers exactly, or the file has fewer than `LEAST` rows that it can answer.
        PredictError: The file cannot be read.
    """
    if not model.description.approximate:
        raise UnfitError(
            f"{model.folder}: this model answers exactly; `training.approximate` in its summary.json has the reason"
        )
    usable = (q.example for q in Questions(model.data, say).of_file(str(file)) if q.example is not None)
    examples = list(itertools.islice(usable, most))
    if len(examples) < LEAST:
        raise UnfitError(f"{file} has {len(examples)} rows that the model can answer; it needs at least {LEAST}")
    say(f"{len(examples):,} rows: answering them both ways")
    loaded = model.load()
    forms = {"exact": _exact(loaded, model.data), "approximate": _approximate(loaded)}
    exact, approximate = (requests.joined(forms[name], examples) for name in FORMS)
    first = min(10, exact[0].shape[1])
    results.classes, results.rows, results.first = model.description.labels or 0, len(examples), first
    results.recall = requests.recall((exact[0][:, :first], exact[1]), approximate)
    results.nats = requests.nats(exact, approximate)
    for batch in requests.BATCHES:
        say(f"requests of {batch} row{'s' * (batch > 1)}: measuring")
        for name, timing in requests.timed(forms, examples, batch, rounds).items():
            results.times.setdefault(name, {})[batch] = timing


def lines(results: Results) -> Iterator[str]:
    """Yield the lines of a table with a row for each form."""
    quality = {"exact": ("1", "0"), "approximate": (f"{results.recall:.4f}", f"{results.nats:.4f}")}
    yield f"{results.classes:,} classes, {results.rows:,} rows, {results.model}"
    yield ""
    yield from table(
        ["form", f"recall@{results.first}", "error, nats", *requests.header()],
        [[name, *quality[name], *requests.cells(results.times[name])] for name in FORMS],
    )


Answer = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
"""Function from serialized examples to labels and probabilities."""


def _exact(loaded: Any, data: DataSpec) -> Answer:
    """Return a function that answers exactly, by the signature `predict`, which takes columns."""
    predict = loaded.signatures["predict"]
    specs = predict.structured_input_signature[1]
    parsed = {name: tf.io.VarLenFeature(spec.dtype) for name, spec in specs.items()}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")], autograph=False)
    def answer(examples: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        columns = {}
        for name, column in tf.io.parse_example(examples, parsed).items():
            missing = "" if column.dtype == tf.string else np.nan
            shape = [None, 1] if name in data.features else None
            dense = tf.RaggedTensor.from_sparse(column).to_tensor(missing, shape=shape)
            columns[name] = dense[:, 0] if name in data.features else dense
        found = predict(**columns)
        return found["labels"], found["probabilities"]

    return answer


def _approximate(loaded: Any) -> Answer:
    """Return a function that answers approximately, by the signature `serving_default`."""

    def answer(examples: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        found = loaded.signatures["serving_default"](examples=examples)
        return found["labels"], found["probabilities"]

    return answer
