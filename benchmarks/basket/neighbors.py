"""Ranking of products by personal frequencies with decay, and by those of similar customers (TIFU-KNN)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from benchmarks.basket.data import Customer

_CHUNK = 256
"""Customers that are compared with all customers at a time."""


@dataclass(frozen=True)
class Settings:
    """Settings of TIFU-KNN. The default values are those of the authors for Ta-Feng.

    Attributes:
        within: Decay of a basket for each later basket of its group.
        between: Decay of a group for each later group.
        group: Number of baskets of a group. The first group may have fewer.
        neighbors: Number of similar customers.
        own: Weight of the customer's own vector; the mean of the neighbors has the rest.
    """

    within: float = 0.9
    between: float = 0.7
    group: int = 7
    neighbors: int = 300
    own: float = 0.7


def tifu_knn(histories: Sequence[Customer], products: int, k: int, settings: Settings | None = None) -> np.ndarray:
    """Return the k products with the greatest scores for each customer, (customers, k).

        u = 1 / G sum_g between^(G - g) 1 / |g| sum_(b in g) within^(|g| - b) [basket b]
        score = own u + (1 - own) mean of u over the nearest customers, by Euclidean distance

    Source: Hu et al., "Modeling Personalized Item Frequency Information for Next-basket Recommendation" (2020).

    Args:
        histories: Customers without the baskets to predict, each with at least one basket.
        products: Number of products.
        k: Number of products to rank.
        settings: Settings; None: the default values.
    """
    settings = settings or Settings()
    vectors = _vectors(histories, products, settings)
    squares = np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel()
    number, transposed = min(settings.neighbors, len(histories) - 1), vectors.T.tocsr()
    ranked = []
    for start in range(0, len(histories), _CHUNK):
        chunk = vectors[start : start + _CHUNK]
        rows = np.arange(chunk.shape[0])
        distances = squares - 2 * (chunk @ transposed).toarray()
        distances[rows, start + rows] = np.inf
        scores = settings.own * chunk
        if number:
            nearest = np.argpartition(distances, number - 1, axis=1)[:, :number]
            shares = np.full(nearest.size, (1 - settings.own) / number, np.float32)
            bounds = np.arange(len(rows) + 1) * number
            scores = (
                scores + sparse.csr_matrix((shares, nearest.ravel(), bounds), (len(rows), len(histories))) @ vectors
            )
        ranked.append(np.argsort(-scores.toarray(), axis=1, kind="stable")[:, :k])
    return np.concatenate(ranked)


def _vectors(histories: Sequence[Customer], products: int, settings: Settings) -> sparse.csr_matrix:
    """Return the vector u of each customer, (customers, products) float32."""
    rows, columns, values = [], [], []
    for row, customer in enumerate(histories):
        count = len(customer.baskets)
        groups = -(-count // settings.group)
        for place, basket in enumerate(customer.baskets):
            later = count - 1 - place
            group, within = divmod(later, settings.group)
            size = min(settings.group, count - group * settings.group)
            value = settings.between**group * settings.within**within / (size * groups)
            rows += [row] * len(basket)
            columns += basket.tolist()
            values += [value] * len(basket)
    # Equal pairs of a row and a column are added.
    return sparse.csr_matrix((np.array(values, np.float32), (rows, columns)), (len(histories), products))
