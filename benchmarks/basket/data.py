"""Baskets of the Ta-Feng transactions, and the examples of a training."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from components.ingest.sources.base import Lines, Range
from components.ingest.sources.packages.tafeng import Tafeng, TafengSpec

LEAST_PURCHASES, LEAST_BASKETS = 10, 3


@dataclass(frozen=True)
class Customer:
    """Baskets of a customer, in order of date.

    Attributes:
        days: Ordinal number of the date of each basket.
        baskets: Distinct products of each basket, as (any,) int32 arrays.
    """

    days: Sequence[int]
    baskets: Sequence[np.ndarray]


@dataclass(frozen=True)
class Examples:
    """Histories of baskets, each with the basket that follows.

    Attributes:
        ids: (n, K) int32 products of the history, padded on the left, with the latest basket last.
        ages: (n, K) int32 ages of the baskets of the products: 1 for the latest basket, 0 for padding.
        labels: (n, most) int32 products of the next basket, padded with -1.
        days: (n,) ordinal numbers of the date of the next basket.
        latest: (n,) ordinal numbers of the date of the latest basket of the history.
    """

    ids: np.ndarray
    ages: np.ndarray
    labels: np.ndarray
    days: np.ndarray
    latest: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)


def read() -> list[dict[str, Any]]:
    """Return a row for each customer of the source `tafeng`, with `products` and `dates`.

    Raises:
        IngestError: The package with the transactions is not installed.
    """
    source = Tafeng(TafengSpec(kind="tafeng"))
    (file,) = source.files(*source.place(Path()))
    return [row for _, row in source.rows(Range(file), ["products", "dates"], Lines()) if isinstance(row, dict)]


def customers_of(rows: Iterable[dict[str, Any]]) -> tuple[list[Customer], int]:
    """Return the customers with at least `LEAST_BASKETS` baskets, and the number of products.

    Only products with at least `LEAST_PURCHASES` purchases count. A basket is the set of products of one date.

    Args:
        rows: Rows with `products` and `dates`.
    """
    rows = list(rows)
    purchases = Counter(product for row in rows for product in row["products"])
    number = {product: i for i, product in enumerate(sorted(p for p, n in purchases.items() if n >= LEAST_PURCHASES))}
    customers = []
    for row in rows:
        baskets: dict[str, dict[int, None]] = {}
        for product, date in zip(row["products"], row["dates"], strict=True):
            if product in number:
                baskets.setdefault(date, {})[number[product]] = None
        if len(baskets) >= LEAST_BASKETS:
            days = [datetime.date.fromisoformat(date).toordinal() for date in baskets]
            customers.append(Customer(days, [np.fromiter(basket, np.int32) for basket in baskets.values()]))
    return customers, len(number)


def before(customers: Iterable[Customer], left_out: int) -> list[Customer]:
    """Return the customers without their last baskets.

    Args:
        customers: Customers with more than `left_out` baskets.
        left_out: Number of baskets to leave out.
    """
    return [Customer(c.days[: len(c.days) - left_out], c.baskets[: len(c.baskets) - left_out]) for c in customers]


def last_of(customers: Iterable[Customer], context: int, padding: int) -> Examples:
    """Return an example for each customer, which predicts the last basket.

    Args:
        customers: Customers with at least two baskets.
        context: K, the number of products of a history. Older products are left out.
        padding: Id of padding.
    """
    return _examples([(customer, len(customer.baskets) - 1) for customer in customers], context, padding)


def all_of(customers: Iterable[Customer], context: int, padding: int) -> Examples:
    """Return an example for each basket after the first.

    Args:
        customers: Customers. One with a single basket makes no example.
        context: K, the number of products of a history. Older products are left out.
        padding: Id of padding.
    """
    return _examples([(c, place) for c in customers for place in range(1, len(c.baskets))], context, padding)


def _examples(chosen: Sequence[tuple[Customer, int]], context: int, padding: int) -> Examples:
    ids, ages = np.full((len(chosen), context), padding, np.int32), np.zeros((len(chosen), context), np.int32)
    most = max(len(customer.baskets[place]) for customer, place in chosen)
    labels = np.full((len(chosen), most), -1, np.int32)
    for row, (customer, place) in enumerate(chosen):
        end = context
        for age, basket in enumerate(reversed(customer.baskets[:place]), start=1):
            kept = basket[:end]
            ids[row, end - len(kept) : end], ages[row, end - len(kept) : end] = kept, age
            end -= len(kept)
            if end == 0:
                break
        labels[row, : len(customer.baskets[place])] = customer.baskets[place]
    days, latest = (np.array([c.days[place - back] for c, place in chosen], np.int32) for back in (0, 1))
    return Examples(ids, ages, labels, days, latest)
