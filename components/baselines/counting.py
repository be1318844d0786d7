"""Counting n-grams in a stream of batches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MAX_KEY = 2**63 - 1


def packed(
    contexts: NDArray[np.int64], labels: NDArray[np.int64], n_contexts: int, n_classes: int
) -> NDArray[np.int64]:
    """One integer for each n-gram: ((u * C) + v) * V + w, so that sorted keys are sorted by context, then by label.

    Args:
        contexts: (n, k) ids in [0, n_contexts), k >= 0.
        labels: (n,) ids in [0, n_classes).
        n_contexts: C.
        n_classes: V.

    Raises:
        ValueError: the vocabularies are so large that a key does not fit 63 bits.
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
    """How often each key was added, holding only distinct keys and a bounded share of unmerged ones."""

    def __init__(self, pending: int = 1 << 20) -> None:
        """`pending`: keys at least to be gathered before a merge."""
        self._least = pending
        self._keys = np.zeros(0, np.int64)
        self._counts = np.zeros(0, np.int64)
        self._new: list[NDArray[np.int64]] = []
        self._waiting = 0

    def add(self, keys: NDArray[np.int64]) -> None:
        """Counts each of `keys` (n,) once more."""
        self._new.append(keys)
        self._waiting += len(keys)
        # A merge costs as much as what is held: waiting for as much again keeps the total linear.
        if self._waiting >= max(self._least, len(self._keys)):
            self._merge()

    def result(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Distinct keys, ascending, and their counts; both (n,)."""
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


def sum_by_key(keys: NDArray[np.int64], counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Distinct keys, ascending, and the sum of their counts; arguments and results are (n,)."""
    order = np.argsort(keys, kind="stable")
    keys, counts = keys[order], counts[order]
    first = np.flatnonzero(np.diff(keys, prepend=keys[:1] - 1))
    return keys[first], np.add.reduceat(counts, first) if len(first) else counts
