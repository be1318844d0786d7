"""Measurement of the features of labels, and its tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from benchmarks.basket.measure import Interval
from benchmarks.harness.machine import Machine
from benchmarks.harness.tables import table
from benchmarks.labels.counting import BASELINES, CEILINGS, Counting, hits
from benchmarks.labels.data import Queries, Split

K = 10
EVAL, TEST = "eval", "test"


@dataclass
class OfSplit:
    """Results on a split.

    Attributes:
        known_labels: Number of customers whose label is known.
        held_out_labels: Number of customers whose label is held out.
        known: recall@10 over the known products, by form.
        held_out: recall@10 over the products that are held out, by form and by baseline or ceiling.
        gains: recall@10 over the known products minus that without features, customer by customer, by form.
    """

    known_labels: int
    held_out_labels: int
    known: dict[str, Interval] = field(default_factory=dict)
    held_out: dict[str, Interval] = field(default_factory=dict)
    gains: dict[str, Interval] = field(default_factory=dict)


@dataclass
class Results:
    """Results of the benchmark.

    Attributes:
        machine: Machine of the measurement.
        splits: Names of the splits to measure, of `EVAL` and `TEST`.
        known_products: Number of products that the models know.
        held_out_products: Number of products that are held out.
        cpu_seconds: CPU time of each training, by form.
        found: Results by split.
    """

    machine: Machine
    splits: Sequence[str]
    known_products: int = 0
    held_out_products: int = 0
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    found: dict[str, OfSplit] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return all figures."""
        return asdict(self)


def measure(
    forms: Sequence[str], results: Results, say: Callable[[str], None], split: Split | None = None
) -> Iterator[None]:
    """Count the baselines, train each form, and yield after each.

    Args:
        forms: Names from `benchmarks.labels.training.FORMS`. The first is the one without features, if it is chosen.
        results: Receives the figures.
        say: Receives progress messages.
        split: Products; None: those of the source `tafeng`.

    Raises:
        IngestError: The package with the transactions is not installed.
    """
    # TensorFlow is imported late, because its threads start with the import.
    from benchmarks.labels.data import tafeng
    from benchmarks.labels.training import FORMS, NO_FEATURES, TRAINER, train

    split = tafeng() if split is None else split
    results.known_products, results.held_out_products = split.known, len(split.held_out)
    say(f"{split.known:,} known products, {len(split.held_out):,} held out")
    queries = {name: _parts(split, split.evaluation if name == EVAL else split.test) for name in results.splits}
    counting = Counting(split)
    for name, (known, held_out) in queries.items():
        found = results.found[name] = OfSplit(len(known.labels), len(held_out.labels))
        for ranking, products in counting.rankings(held_out, K).items():
            found.held_out[ranking] = Interval.of(hits(products, held_out.labels))
    yield
    plain: Mapping[str, np.ndarray] = {}
    for form in forms:
        say(form)
        started = time.process_time()
        trained = train(split, FORMS[form], TRAINER, say)
        results.cpu_seconds[form] = time.process_time() - started
        of_known = {name: hits(trained.known(known, K), known.labels) for name, (known, _) in queries.items()}
        for name, (_, held_out) in queries.items():
            found = results.found[name]
            found.known[form] = Interval.of(of_known[name])
            if plain:
                found.gains[form] = Interval.of(of_known[name] - plain[name])
            if trained.fitted is not None:
                found.held_out[form] = Interval.of(hits(trained.held_out(held_out, K), held_out.labels))
            say(f"  {name}: known {found.known[form]}, held out {found.held_out.get(form, '-')}")
        if form == NO_FEATURES:
            plain = of_known
        yield


def lines(results: Results) -> Iterator[str]:
    """Yield the lines of the tables, one for each split."""
    for name, found in results.found.items():
        yield (
            f"Ta-Feng, {name} split: recall@{K} of the next product, with the 95% interval of the bootstrap over "
            f"customers. Known: {found.known_labels:,} labels among {results.known_products:,} products. Held out: "
            f"{found.held_out_labels:,} labels, ranked among {results.held_out_products:,} products."
        )
        yield ""
        rows = [
            [
                form,
                str(known),
                _figure(found.gains.get(form)),
                _figure(found.held_out.get(form)),
                _seconds(results, form),
            ]
            for form, known in found.known.items()
        ]
        counted = [[f"{ranking} (counted)", "-", "-", str(found.held_out[ranking]), "-"] for ranking in BASELINES]
        ceilings = [[f"{ranking} (ceiling)", "-", "-", str(found.held_out[ranking]), "-"] for ranking in CEILINGS]
        header = ["", f"known, recall@{K}", "minus no features", f"held out, recall@{K}", "CPU s"]
        yield from table(header, [*rows, *counted, *ceilings])
        yield ""


def _parts(split: Split, queries: Queries) -> tuple[Queries, Queries]:
    """Return the queries whose label is known, and those whose label is held out."""
    is_known = (queries.labels >= 0) & (queries.labels < split.known)
    return queries.where(is_known), queries.where(queries.labels >= split.known)


def _figure(interval: Interval | None) -> str:
    return "-" if interval is None else str(interval)


def _seconds(results: Results, form: str) -> str:
    return f"{results.cpu_seconds[form]:.0f}"
