"""Rankings of the products that are held out, by counting: baselines, and ceilings that read what a model cannot."""

from __future__ import annotations

import numpy as np

from benchmarks.labels.data import SUBCLASS, UNKNOWN, Queries, Split

LATEST = 10
"""Products of a history that the chain reads, the latest weighing most."""
ORACLE = "popularity in the split itself"
SUBCLASSES = "popularity of the subclass"
CHAIN = "chain of subclasses"
CHAIN_ORACLE = f"{CHAIN}, with {ORACLE}"
CHAIN_REPEATS = f"{CHAIN_ORACLE} and repeats"
BASELINES = (SUBCLASSES, CHAIN)
CEILINGS = (ORACLE, CHAIN_ORACLE, CHAIN_REPEATS)
# A repeated product comes before all others.
_REPEATED = 1e6


class Counting:
    """Counts of the train split.

    The chain of subclasses predicts the subclass of the next product from those of the latest products:

        P(s | history) = sum_j w_j N(s_j, s) / N(s_j)        w_j = 1 / j for the j-th latest product

    N counts how often a product of subclass s follows within `LATEST` places after one of subclass s_j, and each
    product of a subclass is as likely as another. A ceiling multiplies P with the popularity of each product in its
    subclass, as counted in the split that is ranked itself. Or it prefers products of the history, which a model does
    not know as inputs.

    Args:
        split: Products with their features, and the train split.
    """

    def __init__(self, split: Split) -> None:
        names = sorted({split.items[name][SUBCLASS] for name in split.names})
        number = {name: i for i, name in enumerate(names)}
        self._split = split
        self._subclasses = np.array([number[split.items[name][SUBCLASS]] for name in split.names])
        # One class more, for products without a number.
        self._transitions = np.zeros((len(names) + 1, len(names) + 1), np.float32)
        for row in split.train:
            self._count(row)
        self._transitions /= np.maximum(self._transitions.sum(axis=1, keepdims=True), 1)
        known, held_out = self._subclasses[: split.known], self._subclasses[split.known :]
        self._popular = np.bincount(known, split.counts, len(names) + 1)
        self._products = np.bincount(known, minlength=len(names) + 1)
        self._held_out = held_out

    def rankings(self, queries: Queries, k: int) -> dict[str, np.ndarray]:
        """Return the first k products that are held out for each customer, (customers, k), by name of the ranking.

        Args:
            queries: Queries whose labels are held out.
            k: Number of products to rank.
        """
        split, of = self._split, self._held_out
        each = np.maximum(self._products[of], 1)
        popular = np.bincount(queries.labels - split.known, minlength=len(of))
        inside = popular / np.maximum(np.bincount(of, popular)[of], 1)
        chain = np.stack([self._chain(history) for history in queries.histories])[:, of]
        repeated = np.zeros(chain.shape, bool)
        for row, history in enumerate(queries.histories):
            repeated[row, history[history >= split.known] - split.known] = True
        scores = {
            SUBCLASSES: np.broadcast_to(self._popular[of] / each, chain.shape),
            CHAIN: chain / each,
            ORACLE: np.broadcast_to(popular, chain.shape),
            CHAIN_ORACLE: chain * inside,
            CHAIN_REPEATS: chain * inside + _REPEATED * repeated,
        }
        return {name: split.known + _best(of_name, k) for name, of_name in scores.items()}

    def _of(self, products: np.ndarray) -> np.ndarray:
        return np.where(products == UNKNOWN, len(self._transitions) - 1, self._subclasses[products])

    def _count(self, row: np.ndarray) -> None:
        # A product that is held out is no label of the train split.
        subclasses, label = self._of(row), (row >= 0) & (row < self._split.known)
        for back in range(1, min(LATEST, len(row) - 1) + 1):
            to = label[back:]
            np.add.at(self._transitions, (subclasses[:-back][to], subclasses[back:][to]), 1 / back)

    def _chain(self, history: np.ndarray) -> np.ndarray:
        latest = self._of(history[::-1][:LATEST])
        return (1 / np.arange(1, len(latest) + 1)) @ self._transitions[latest]


def hits(ranking: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return 1 for each query whose label is in the ranking, otherwise 0, (customers,) float64.

    Args:
        ranking: (customers, k) products.
        labels: (customers,) products.
    """
    return (ranking == labels[:, np.newaxis]).any(axis=1).astype(np.float64)


def _best(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the columns of the k largest scores of each row; of equal scores, the first column."""
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]
