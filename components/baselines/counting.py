"""Counting of n-grams in a stream of batches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MAX_KEY = 2**63 - 1


def packed(
    contexts: NDArray[np.int64], labels: NDArray[np.int64], n_contexts: int, n_classes: int
) -> NDArray[np.int64]:
    """Pack each n-gram into one integer: ((u * C) + v) * V + w.

    Sorted keys are sorted by context, then by label.

    Args:
        contexts: (n, k) ids in [0, n_contexts), k >= 0.
        labels: (n,) ids in [0, n_classes).
        n_contexts: Number of context ids, C.
        n_classes: Number of label ids, V.

    Raises:
        ValueError: The vocabularies are so large that a key does not fit into 63 bits.
    """
    if n_contexts ** contexts.shape[1] * n_classes > _MAX_KEY:
        raise ValueError(
            f"{n_contexts:,} contexts and {n_classes:,} labels are too many to count n-grams of "
            f"{contexts.shape[1] + 1}: lower vocabulary.labels or vocabulary.inputs"
        )
    keys = np.zeros(len(labels), np.int64)
    for column in contexts.T:
        keys = keys * n_contexts + column
    return keys * n_classes + labels


class KeyCounts:
    """Counter of integer keys that holds the distinct keys and a bounded number of unmerged keys."""

    def __init__(self, pending: int = 1 << 20, limit: int | None = None) -> None:
        """Create an empty counter.

        Args:
            pending: Least number of keys to gather before a merge.
            limit: Greatest number of distinct keys to hold after a merge. Above it, half of that number is kept: the
                keys with the greatest counts, and among equal counts the smaller keys. None: no limit.
        """
        self._least, self._limit = pending, limit
        self._keys = np.zeros(0, np.int64)
        self._counts = np.zeros(0, np.int64)
        self._new: list[NDArray[np.int64]] = []
        self._waiting = 0

    def add(self, keys: NDArray[np.int64]) -> None:
        """Add 1 to the count of each of `keys`, (n,)."""
        self._new.append(keys)
        self._waiting += len(keys)
        # A merge costs time in proportion to the keys held. Waiting for as many new keys keeps the total linear.
        if self._waiting >= max(self._least, len(self._keys)):
            self._merge()

    def result(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the distinct keys, ascending, and their counts; both (n,)."""
        self._merge()
        return self._keys, self._counts

    def _merge(self) -> None:
        if not self._new:
            return
        keys, counts = np.unique(np.concatenate(self._new), return_counts=True)
        self._new, self._waiting = [], 0
        self._keys, self._counts = sum_by_key(
            np.concatenate([self._keys, keys]), np.concatenate([self._counts, counts])
        )
        if self._limit and len(self._keys) > self._limit:
            kept = np.sort(np.argsort(-self._counts, kind="stable")[: max(1, self._limit // 2)])
            self._keys, self._counts = self._keys[kept], self._counts[kept]


def sum_by_key(keys: NDArray[np.int64], counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct keys, ascending, and the sum of the counts of each; arguments and results are (n,)."""
    order = np.argsort(keys, kind="stable")
    keys, counts = keys[order], counts[order]
    first = np.flatnonzero(np.diff(keys, prepend=keys[:1] - 1))
    return keys[first], np.add.reduceat(counts, first) if len(first) else counts
