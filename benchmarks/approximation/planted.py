"""Measurement of the answers over planted class vectors: exact or approximate, with float32 or int8 vectors."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from benchmarks import zipf
from benchmarks.approximation import requests
from benchmarks.harness.bounds import Bound
from benchmarks.harness.machine import Machine
from benchmarks.harness.tables import table
from benchmarks.harness.timing import Timing
from components.layers.classes.clusters import ClusterIndex
from components.layers.classes.int8 import Int8Rows, rows_at
from components.layers.classes.sweep import sweep
from components.messages.formatting import in_mebibytes
from components.training.export.approximate import fit
from components.training.spec import ApproximateSpec

K, WIDTH = 10, 128
LEAST = 1_000
"""Least number of classes that can be measured."""
_CHOSEN, _TESTED = 4_096, 1_024
"""Rows that choose the number of clusters, and other rows that measure the recall."""
_GROUP = 50
"""Classes of a planted group, on average."""


@dataclass(frozen=True)
class Form:
    """Results of one form of the answers.

    Attributes:
        name: Name of the form.
        recall: Share of the 10 most probable classes, by float32 vectors over all classes, that it finds.
        nats: Mean absolute error of the log probability of the most probable class.
        bytes: Size of the class vectors and of the index.
        times: Time of a request, by its number of rows.
    """

    name: str
    recall: float
    nats: float
    bytes: int
    times: dict[int, Timing]


@dataclass(frozen=True)
class Found:
    """Results for one number of classes.

    Attributes:
        classes: Number of classes.
        facts: Facts about the search: see `components.training.export.approximate.Chosen`.
        seconds: Seconds of wall time for the clustering and the choice.
        forms: Results of the forms.
    """

    classes: int
    facts: dict[str, Any]
    seconds: float
    forms: list[Form]


@dataclass
class Results:
    """Results of the benchmark.

    Attributes:
        machine: Machine of the measurement.
        found: One result for each number of classes.
    """

    machine: Machine
    found: list[Found] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return the results as a JSON object."""
        return dataclasses.asdict(self)


def _least_recall(results: Results) -> float | None:
    recalls = [form.recall for found in results.found for form in found.forms]
    return 100 * min(recalls) if recalls else None


def _least_ratio(results: Results) -> float | None:
    large = [found for found in results.found if found.classes >= 1_000_000 and len(found.forms) > 2]
    ratios = [found.forms[0].times[1].least_wall / found.forms[2].times[1].least_wall for found in large]
    return min(ratios) if ratios else None


BOUNDS = (
    Bound("recall@10 of every form", "at least", 95, _least_recall, "%"),
    Bound("exact over approximate answers to one row, a million classes", "at least", 3, _least_ratio, "x"),
)


def planted(classes: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return class vectors in groups, biases by Zipf's law, and queries near the vectors of frequent classes.

    The variance of the i-th coordinate is proportional to 1 / i, as in trained embeddings, whose variance lies in few
    directions.

    Args:
        classes: Number of classes.
        seed: Seed of the draws.

    Returns:
        (classes, WIDTH), (classes,) and (rows, WIDTH) float32.
    """
    rng = np.random.default_rng(seed)
    scale = np.sqrt(WIDTH / (np.arange(1, WIDTH + 1) * np.sum(1 / np.arange(1, WIDTH + 1)))).astype(np.float32)
    centers = rng.normal(size=(classes // _GROUP, WIDTH)).astype(np.float32)
    group = rng.integers(len(centers), size=classes)
    vectors = 0.7 * centers[group] + 0.7 * rng.normal(size=(classes, WIDTH)).astype(np.float32)
    vectors *= scale
    frequencies = zipf.frequencies(classes)
    labels = zipf.drawn(frequencies, rng.random(_CHOSEN + _TESTED))
    noise = rng.normal(size=(len(labels), WIDTH)).astype(np.float32)
    queries = 0.1 * vectors[labels] + 0.07 * scale * noise
    return vectors.astype(np.float32), np.log(frequencies).astype(np.float32), queries.astype(np.float32)


def measure(sizes: Sequence[int], rounds: int, results: Results, say: Callable[[str], None]) -> None:
    """Measure all forms in turns.

    Args:
        sizes: Numbers of classes.
        rounds: Turns of each form.
        results: Receives the measurements.
        say: Receives progress messages.
    """
    for classes in sizes:
        say(f"{classes:,} classes: clustering them")
        vectors, bias, queries = planted(classes)
        start = time.perf_counter()
        points = np.concatenate([vectors, bias[:, np.newaxis]], axis=1)
        index, facts = fit(queries[:_CHOSEN], points, ApproximateSpec(), K)
        seconds = time.perf_counter() - start
        del points
        say(f"{classes:,} classes: measuring")
        forms = _measured(vectors, bias, queries[_CHOSEN:], index, rounds)
        results.found.append(Found(classes, facts, seconds, forms))


def _measured(
    vectors: NDArray[np.float32],
    bias: NDArray[np.float32],
    queries: NDArray[np.float32],
    index: ClusterIndex | None,
    rounds: int,
) -> list[Form]:
    whole, biases = tf.Variable(vectors, trainable=False), tf.Variable(bias, trainable=False)
    small = Int8Rows.of(whole)
    answers, sizes = {}, {}
    for name, rows, size in (("float32", whole, vectors.nbytes), ("int8", small, small.bytes)):
        answers[f"exact, {name}"], sizes[f"exact, {name}"] = _exact(rows, biases), size
    if index is not None:
        of_index = sum(4 * int(np.prod(v.shape)) for v in index.variables)
        for name, rows, size in (("float32", whole, vectors.nbytes), ("int8", small, small.bytes)):
            answers[f"approximate, {name}"] = _approximate(index, rows, biases)
            sizes[f"approximate, {name}"] = size + of_index
    found = {name: requests.joined(answer, queries) for name, answer in answers.items()}
    exact = found["exact, float32"]
    times = {batch: requests.timed(answers, queries, batch, rounds) for batch in requests.BATCHES}
    return [
        Form(
            name,
            requests.recall(exact, answered),
            requests.nats(exact, answered),
            sizes[name],
            {batch: of[name] for batch, of in times.items()},
        )
        for name, answered in found.items()
    ]


Answer = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def _exact(rows: Any, bias: tf.Variable) -> Answer:
    def answer(queries: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        found = sweep(queries, rows, bias, k=K)
        return found.ids, found.probabilities

    return _compiled(answer)


def _approximate(index: ClusterIndex, rows: Any, bias: tf.Variable) -> Answer:
    def of(ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return rows_at(rows, ids), tf.gather(bias, ids)

    return _compiled(lambda queries: tuple(index.search(queries, of, K)))


def _compiled(answer: Any) -> Answer:
    return tf.function(answer, input_signature=[tf.TensorSpec([None, WIDTH])], autograph=False)


def lines(results: Results) -> Iterator[str]:
    """Yield the lines of a table with a row for each form."""
    header = ["classes, form", "recall@10", "error, nats", "size, MiB", *requests.header()]
    rows = []
    for found in results.found:
        for form in found.forms:
            measured = [f"{form.recall:.4f}", f"{form.nats:.4f}", in_mebibytes(form.bytes)]
            rows.append([f"{found.classes:,}, {form.name}", *measured, *requests.cells(form.times)])
    yield from table(header, rows)
    for found in results.found:
        facts = found.facts
        yield ""
        if "exact" in facts:
            yield f"{found.classes:,} classes: exact answers: {facts['exact']}."
            continue
        yield (
            f"{found.classes:,} classes: {facts['probes']:,} of {facts['clusters']:,} clusters, {facts['read']:.2%} of "
            f"the classes; {found.seconds:.0f} s to cluster and choose; relative error of a probability "
            f"{facts['probability_error']:.2%} (median), {facts['probability_error_99']:.2%} (99%)."
        )
