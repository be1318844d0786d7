"""Measurement of the benchmark of the next basket, and its table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from benchmarks.basket.baselines import rankings
from benchmarks.basket.data import Customer, all_of, before, customers_of, last_of, read
from benchmarks.basket.neighbors import tifu_knn
from benchmarks.harness.machine import Machine
from benchmarks.harness.tables import table

K, CONTEXT = 10, 128
MODEL = "basket + repeats"
_RESAMPLES = 1_000


@dataclass(frozen=True)
class Interval:
    """Mean over customers, with the 95% interval of the bootstrap over customers."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, values: np.ndarray) -> Interval:
        """Estimate the mean of (customers,) values."""
        rng = np.random.default_rng(0)
        means = [values[rng.integers(0, len(values), len(values))].mean() for _ in range(_RESAMPLES)]
        low, high = np.percentile(means, [2.5, 97.5])
        return cls(float(values.mean()), float(low), float(high))

    def __str__(self) -> str:
        return f"{self.mean:.4f} ({self.low:.4f} to {self.high:.4f})"


@dataclass
class Results:
    """Results of the benchmark.

    Attributes:
        machine: Machine of the measurement.
        validation: True if the basket before the last was predicted, False if the last.
        customers: Number of customers.
        products: Number of products that occur in the baskets before the predicted ones.
        examples: Number of training examples.
        metrics: recall@10 and nDCG@10 by name of the baseline or model.
        gain: recall@10 of the model minus that of the best baseline, customer by customer.
        cpu_seconds: CPU time of the training and the ranking.
    """

    machine: Machine
    validation: bool
    customers: int = 0
    products: int = 0
    examples: int = 0
    metrics: dict[str, dict[str, Interval]] = field(default_factory=dict)
    gain: Interval | None = None
    cpu_seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return all figures."""
        return asdict(self)


def recall_and_ndcg(ranked: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return recall@k and nDCG@k of each row, (n,) each.

        recall@k = hits / size of the basket
        nDCG@k   = sum over hits of 1 / log2(1 + rank), divided by the same sum for min(k, size) hits at the first ranks

    Args:
        ranked: (n, k) products, the first with rank 1.
        labels: (n, most) products of the basket, padded with -1. No row is empty.
    """
    owned = labels >= 0
    hits = ((ranked[:, :, np.newaxis] == labels[:, np.newaxis]) & owned[:, np.newaxis]).any(axis=2)
    sizes, gains = owned.sum(axis=1), 1 / np.log2(np.arange(2, ranked.shape[1] + 2))
    return hits.sum(axis=1) / sizes, hits @ gains / np.cumsum(gains)[np.minimum(sizes, ranked.shape[1]) - 1]


def measure(results: Results, say: Callable[[str], None]) -> None:
    """Prepare the data, measure the baselines, train the model, and add the figures to the results.

    Args:
        results: Receives the figures.
        say: Receives progress messages.

    Raises:
        IngestError: The package with the transactions is not installed.
    """
    # TensorFlow is imported late, because its threads start with the import.
    from benchmarks.basket.training import Settings, ranked, train

    customers, products = customers_of(read())
    if results.validation:
        customers = before(customers, 1)
    histories = before(customers, 1)
    results.customers, results.products = len(customers), _products(histories)
    say(f"{results.customers:,} customers, {results.products:,} products")
    test = last_of(customers, CONTEXT, products)
    recalls = {}
    counted = {**rankings(histories, products, K), "TIFU-KNN": tifu_knn(histories, products, K)}
    for name, ranking in counted.items():
        recalls[name] = _add(results, name, ranking, test.labels)
        say(f"{name}: recall@{K} {results.metrics[name]['recall'].mean:.4f}")
    examples = all_of(histories, CONTEXT, products)
    results.examples = len(examples)
    started = time.process_time()
    settings = Settings()
    models = [
        train(examples, products, replace(settings, seed=settings.seed + number), say)
        for number in range(settings.models)
    ]
    ranking = ranked(models, test, K)
    results.cpu_seconds = time.process_time() - started
    of_model = _add(results, MODEL, ranking, test.labels)
    best = max(recalls, key=lambda name: recalls[name].mean())
    results.gain = Interval.of(of_model - recalls[best])
    say(f"{MODEL}: recall@{K} {results.metrics[MODEL]['recall']}, {results.cpu_seconds:.0f} CPU seconds")


def lines(results: Results) -> Iterator[str]:
    """Yield the lines of the table."""
    what = "the basket before the last" if results.validation else "the last basket"
    yield (
        f"Prediction of {what} of {results.customers:,} customers among {results.products:,} products, after "
        f"{results.examples:,} training examples; mean over customers, with the 95% interval of the bootstrap."
    )
    yield ""
    header = ["", f"recall@{K}", f"nDCG@{K}"]
    yield from table(header, [[name, str(of["recall"]), str(of["ndcg"])] for name, of in results.metrics.items()])
    yield ""
    yield (
        f"{MODEL} minus the best baseline: recall@{K} {results.gain}. Training and ranking: {results.cpu_seconds:.0f} "
        "CPU seconds."
    )


def _add(results: Results, name: str, ranking: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Add the metrics of a ranking to the results. Return recall@k of each customer."""
    recall, ndcg = recall_and_ndcg(ranking, labels)
    results.metrics[name] = {"recall": Interval.of(recall), "ndcg": Interval.of(ndcg)}
    return recall


def _products(histories: list[Customer]) -> int:
    return len({product for customer in histories for basket in customer.baskets for product in basket.tolist()})
