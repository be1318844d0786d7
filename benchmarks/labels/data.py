"""Ta-Feng transactions with some products held out of training, and the features of all products."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.basket.data import read
from components.ingest.sources.packages.tafeng import Tafeng, TafengSpec, events
from components.labels.reading import Items

SUBCLASS, PRICE, COST = "subclass", "price", "cost"
"""Features of a product: its subclass; the price and the cost of one piece, in New Taiwan dollars."""
HELD_OUT = 0.1
UNKNOWN = -1
"""Number of a product that is neither known nor held out."""
# The last product of a customer is in the test split, the one before it in the eval split.
_LEFT_OUT = 2


@dataclass(frozen=True)
class Queries:
    """Products to predict: one for each customer.

    Attributes:
        histories: Products bought before, the last of them last.
        labels: (customers,) product that follows.
    """

    histories: Sequence[np.ndarray]
    labels: np.ndarray

    def where(self, of: np.ndarray) -> Queries:
        """Return some of the customers.

        Args:
            of: (customers,) bool.
        """
        return Queries([self.histories[i] for i in np.flatnonzero(of)], self.labels[of])


@dataclass(frozen=True)
class Split:
    """Products as numbers: first the known ones, by their count in the train split, then those that are held out.

    Attributes:
        names: Products.
        counts: (known,) occurrences of the known products as labels of the train split.
        train: Products of each customer in the train split, `UNKNOWN` for others.
        evaluation: Queries of the eval split.
        test: Queries of the test split.
        items: Features of all products.
    """

    names: Sequence[str]
    counts: np.ndarray
    train: Sequence[np.ndarray]
    evaluation: Queries
    test: Queries
    items: Items

    @property
    def known(self) -> int:
        """Number of known products."""
        return len(self.counts)

    @property
    def held_out(self) -> Sequence[str]:
        """Products that are held out."""
        return self.names[self.known :]


def split_of(rows: Iterable[Mapping[str, Any]], items: Items, seed: int = 1) -> Split:
    """Return the splits of customers with at least three products.

    Args:
        rows: Rows with `products`, in order of time.
        items: Features of all products.
        seed: Seed of the choice of the products to hold out.
    """
    bought = [row["products"] for row in rows if len(row["products"]) > _LEFT_OUT]
    products = sorted({product for row in bought for product in row})
    chosen = np.random.default_rng(seed).permutation(len(products))[: round(HELD_OUT * len(products))]
    held_out = sorted(products[i] for i in chosen)
    labels = Counter(product for row in bought for product in row[1:-_LEFT_OUT])
    for product in held_out:
        labels.pop(product, None)
    known = sorted(labels, key=lambda product: (-labels[product], product))
    names = [*known, *held_out]
    number = {name: i for i, name in enumerate(names)}
    numbered = [np.array([number.get(product, UNKNOWN) for product in row], np.int64) for row in bought]

    def queries(back: int) -> Queries:
        return Queries([row[:-back] for row in numbered], np.array([row[-back] for row in numbered]))

    counts = np.array([labels[name] for name in known])
    return Split(names, counts, [row[:-_LEFT_OUT] for row in numbered], queries(2), queries(1), items)


def tafeng() -> Split:
    """Return the splits of the source `tafeng`.

    Raises:
        IngestError: The package with the transactions is not installed.
    """
    return split_of(read(), read_items())


def read_items() -> Items:
    """Return the features of each product, as `components.labels.reading.read_items` returns those of a file.

    The subclass is the most frequent of the product's purchases; price and cost are the medians of its purchases.

    Raises:
        IngestError: The package with the transactions is not installed.
    """
    source = Tafeng(TafengSpec(kind="tafeng"))
    (file,) = source.files(*source.place(Path()))
    subclasses: dict[str, Counter[str]] = {}
    prices: dict[str, tuple[list[float], list[float]]] = {}
    for _, (_, _, _, _, subclass, product, amount, cost, price) in events(file):
        subclasses.setdefault(product, Counter())[subclass] += 1
        of_price, of_cost = prices.setdefault(product, ([], []))
        of_price.append(float(price) / float(amount))
        of_cost.append(float(cost) / float(amount))
    return {
        product: {
            SUBCLASS: counted.most_common(1)[0][0],
            PRICE: f"{median(prices[product][0]):g}",
            COST: f"{median(prices[product][1]):g}",
        }
        for product, counted in subclasses.items()
    }
