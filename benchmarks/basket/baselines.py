"""Rankings of products by counting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from benchmarks.basket.data import Customer

NONE = -1
"""Number in place of a product where a ranking is shorter than others."""


def rankings(histories: Sequence[Customer], products: int, k: int) -> dict[str, np.ndarray]:
    """Return the first k products for each customer, (customers, k), by baseline.

    `popular` ranks the products by the number of baskets, `own` those of the customer by the number of the customer's
    baskets. Of products with equal numbers, `own` prefers the one that was first bought first, and `own, latest first`
    the one that was bought last. The latter is the harder to beat.

    Args:
        histories: Customers without the baskets to predict.
        products: Number of products.
        k: Number of products to rank.
    """
    counts = np.zeros(products, int)
    for customer in histories:
        for basket in customer.baskets:
            counts[basket] += 1
    popular = np.argsort(-counts, kind="stable")[: 2 * k].tolist()
    found: dict[str, list[list[int]]] = {name: [] for name in ("own", "own, then popular", "own, latest first")}
    for customer in histories:
        own, latest = (_own(baskets, k) for baskets in (customer.baskets, customer.baskets[::-1]))
        found["own"].append([*own, *[NONE] * (k - len(own))])
        found["own, then popular"].append(_then(own, popular, k))
        found["own, latest first"].append(_then(latest, popular, k))
    return {
        "popular": np.tile(np.array(popular[:k]), (len(histories), 1)),
        **{name: np.array(ranked) for name, ranked in found.items()},
    }


def _own(baskets: Sequence[np.ndarray], k: int) -> list[int]:
    # Counter keeps the order of the first occurrence among equal counts.
    counts = Counter(product for basket in baskets for product in basket.tolist())
    return [product for product, _ in counts.most_common(k)]


def _then(own: Sequence[int], popular: Sequence[int], k: int) -> list[int]:
    # Twice as many popular products as places, so that those that are already ranked can be left out.
    return [*own, *(product for product in popular if product not in own)][:k]
