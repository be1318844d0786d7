"""Co-occurrence of items in a row, with recency weights: a nearest-neighbor baseline for sessions.

M. Ludewig, D. Jannach: Evaluation of session-based recommendation algorithms, User Modeling and User-Adapted
Interaction 28 (2018). Their association rules (AR) count c(i, j) only for the last item. Their neighborhood method
V-SKNN sums over all items of the current session, weighted by recency. Here:

    score(j | i_1, ..., i_t) = sum over d = 1, ..., min(t, W) of  c(i, j) / sqrt(d sum_k c(i, k)),   i = i_(t+1-d)

The root of the sum is a compromise. With plain counts, frequent items outweigh the others; with shares, rare items do.
On shopping baskets (Ta-Feng, at most ten products a row), recall@20 with weights 1 / d is .099 for shares, .106 for
counts and .109 for the root. With weights 1 / sqrt(d), it is .111 for the root.

c(i, j) counts the pairs of i and j at most W tokens apart in a row of the train split, in both orders. In labeled rows,
i is one of the last W inputs and j is the label. Each item i has scores only for the `SUCCESSORS` classes with the
greatest c(i, j); among equal counts, for the more popular classes. Classes without a score follow by popularity.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.baselines.counting import KeyCounts, sum_by_key
from components.baselines.ranking import Scores, spread
from components.baselines.reading import Earlier

Ints = NDArray[np.int64]

WINDOW = 10
"""W: greatest distance in tokens between the items of a pair."""
SUCCESSORS = 100
"""Number of classes that are kept for each item."""
PAIRS = 1 << 23
"""Greatest number of distinct pairs to hold. Above it, rare pairs are dropped while counting."""
_ONE = 1 << 50
_ROUNDED = 12
"""Greatest term as an integer, and number of bits by which a sum is rounded. Integer sums do not depend on the order of
their terms. Rounding gives equal sums of different terms equal scores."""


class Cooccurrence:
    """Counter of co-occurrences, with the scores of classes.

    Usage: Call `count` for every batch of the train split, `estimate` once, then `scores`.

    Args:
        n_items: Number of item ids, in [0, n_items). A greater id is no item.
        n_classes: Number of classes.
        symmetric: True if items are classes. A pair then counts in both orders.
    """

    def __init__(self, n_items: int, n_classes: int, symmetric: bool) -> None:
        self._n_items, self._n_classes, self._symmetric = n_items, n_classes, symmetric
        self._counts = KeyCounts(limit=PAIRS)

    def count(self, labels: Ints, earlier: Earlier) -> None:
        """Count the pairs of labels, (n,) classes or -1, and the items before them."""
        at, items, _ = self._items(earlier)
        known = labels[at] >= 0
        self._counts.add(items[known] * self._n_classes + labels[at][known])

    def estimate(self, places: Ints) -> None:
        """Compute the score of each kept pair.

        Args:
            places: (n_classes,) place of each class by popularity, from 0.
        """
        keys, counts = self._counts.result()
        self._counts = KeyCounts()
        if self._symmetric:
            swapped = keys % self._n_classes * self._n_classes + keys // self._n_classes
            keys, counts = sum_by_key(np.concatenate([keys, swapped]), np.concatenate([counts, counts]))
        items, classes = keys // self._n_classes, keys % self._n_classes
        total = np.bincount(items, counts, self._n_items)
        order = np.lexsort((places[classes], -counts, items))
        items, classes, counts = items[order], classes[order], counts[order]
        starts = np.searchsorted(items, np.arange(self._n_items + 1))
        kept = np.arange(len(items)) - starts[items] < SUCCESSORS
        items = items[kept]
        self._starts = np.searchsorted(items, np.arange(self._n_items + 1))
        weights = counts[kept] / np.sqrt(total[items])
        self._classes, self._weights = classes[kept], weights / weights.max(initial=1e-300)

    def scores(self, earlier: Earlier) -> Scores:
        """Return the scores of classes after the given tokens."""
        at, items, distance = self._items(earlier)
        pair, entry = spread(self._starts[items], self._starts[items + 1])
        terms = np.rint(_ONE * self._weights[entry] / np.sqrt(distance[pair])).astype(np.int64)
        packed, sums = sum_by_key(at[pair] * self._n_classes + self._classes[entry], terms)
        scores = np.maximum(1, (sums + (1 << (_ROUNDED - 1))) >> _ROUNDED)
        return Scores(packed // self._n_classes, packed % self._n_classes, scores)

    def _items(self, earlier: Earlier) -> tuple[Ints, Ints, Ints]:
        """Return the items within the window before each label: its index, the item and its distance, (m,) each."""
        at, place = spread(np.maximum(earlier.starts, earlier.ends - WINDOW), earlier.ends)
        items, distance = earlier.items[place], earlier.ends[at] - place
        known = items < self._n_items
        return at[known], items[known], distance[known]
