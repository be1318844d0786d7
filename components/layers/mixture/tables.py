"""Counts of n-grams as sorted arrays, the form in which baselines and models share them. Needs NumPy alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Ngrams:
    """Counts of the n-grams of one length, as rows of successors by context.

    Pruning removes an n-gram, but not its occurrences from the total of its context: they become a share of the
    context that the shorter n-grams distribute. A context without an n-gram left is removed.

    Attributes:
        keys: (n,) packed n-grams, ascending: context * classes + label.
        counts: (n,) counts, > 0.
        contexts: (m,) packed contexts, ascending.
        starts: (m + 1,) index of the first n-gram of each context.
        totals: (m,) counts of each context, those of pruned n-grams included.
        pruned: (m,) the counts of the pruned n-grams in these totals.
        discount: D, which the estimate subtracts from each count.
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
        discount: D of the unigrams.
        orders: Counts of the bigrams, the trigrams and so on.
        contexts: Context ids are in [0, contexts).
        pairs: Counts of pairs of a token and a label in the same row, by token; None if they are not counted.
        continuation: A shorter n-gram counts the distinct tokens seen before it. If False, it counts occurrences.
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
