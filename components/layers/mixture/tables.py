"""Counts of n-grams as sorted arrays, which baselines and models share. Requires only NumPy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Ngrams:
    """Counts of the n-grams of one length, grouped by context.

    Pruning removes an n-gram, but keeps its occurrences in the total of the context. The shorter n-grams distribute
    this share of the context. Pruning removes a context if no n-gram of the context is left.

    Attributes:
        keys: (n,) packed n-grams, ascending: context * classes + label.
        counts: (n,) counts, > 0.
        contexts: (m,) packed contexts, ascending.
        starts: (m + 1,) index of the first n-gram of each context, followed by n.
        totals: (m,) count of each context, including the pruned n-grams.
        pruned: (m,) count of the pruned n-grams of each context.
        discount: Discount D, which the estimate subtracts from each count.
    """

    keys: Ints
    counts: Ints
    contexts: Ints
    starts: Ints
    totals: Ints
    pruned: Ints
    discount: float

    @property
    def sizes(self) -> Ints:
        """Number of successors of each context, (m,)."""
        return np.diff(self.starts)


@dataclass(frozen=True)
class Tables:
    """Counts of the n-grams of all lengths of a Kneser-Ney model.

    Attributes:
        unigrams: (classes,) counts of the labels.
        discount: Discount D of the unigrams.
        orders: Counts of the bigrams, the trigrams and so on.
        contexts: Number of context ids, which are 0 to contexts - 1.
        pairs: Counts of pairs of a token and a label in the same row, by token; None if pairs are not counted.
        continuation: True if the count of a shorter n-gram is the number of distinct tokens before it. False if it is
            the number of occurrences.
    """

    unigrams: Ints
    discount: float
    orders: tuple[Ngrams, ...]
    contexts: int
    continuation: bool
    pairs: Ngrams | None = None

    @property
    def classes(self) -> int:
        """Number of labels."""
        return len(self.unigrams)
