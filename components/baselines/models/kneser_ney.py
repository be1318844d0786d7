"""Interpolated Kneser-Ney n-grams over a label vocabulary: the best counting baseline.

R. Kneser, H. Ney: Improved backing-off for m-gram language modeling, ICASSP 1995; in the interpolated form of
S. Chen, J. Goodman: An empirical study of smoothing techniques for language modeling, 1999, equations 20 to 22:

    P(w | u v) = max(c(u v w) - D, 0) / c(u v .)  +  D N1+(u v .) / c(u v .)  P(w | v)

The highest order counts occurrences. A lower order counts the distinct words seen before v w (continuations),
N1+(. v w). Each order has its own D = n1 / (n1 + 2 n2), where n1 and n2 are the numbers of n-grams counted once and
twice. The unigram is interpolated with the uniform distribution over the V classes. Every class therefore has a
probability above zero, and the probabilities sum to 1.

The table may be pruned, see `components.baselines.models.tables`. The occurrences of the n-grams that were removed then
count as a share of their context that the lower order distributes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.baselines.models.tables import tables_of
from components.layers.mixture.tables import Ngrams, Tables

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class KneserNey:
    """Interpolated Kneser-Ney model of P(label | the one or two tokens before it), from n-gram counts.

    Example:
        >>> keys = packed(contexts, labels, n_contexts=4, n_classes=2)  # contexts (n, 1): bigrams
        >>> model = KneserNey(*np.unique(keys, return_counts=True), order=2, n_contexts=4, n_classes=2)
        >>> nll, rank = model.score(contexts, labels)
    """

    def __init__(
        self,
        keys: Ints,
        counts: Ints,
        *,
        order: int,
        n_contexts: int,
        n_classes: int,
        continuation: bool = True,
        most: int | None = None,
    ) -> None:
        """Estimate the model.

        Args:
            keys: (n,) distinct n-grams, ascending, packed by `counting.packed`.
            counts: (n,) occurrences of each n-gram, > 0.
            order: 1 (popularity alone), 2 (bigrams) or 3 (trigrams).
            n_contexts: Context ids are in [0, n_contexts).
            n_classes: Label ids are in [0, n_classes).
            continuation: Lower orders count continuations. If False, they count occurrences, which is absolute
                discounting (Ney, Essen, Kneser 1994). Use False if contexts are not labels: a label then continues
                no n-gram.
            most: Number of n-grams to keep of each order above 1. None: all.

        Raises:
            ValueError: No n-gram was counted, or `order` is not 1, 2 or 3.
        """
        tables = tables_of(
            keys,
            counts,
            order=order,
            n_contexts=n_contexts,
            n_classes=n_classes,
            continuation=continuation,
            most=most,
        )
        self._n_contexts, self._n_classes = n_contexts, n_classes
        self.discounts: list[float] = [*(each.discount for each in reversed(tables.orders)), tables.discount]
        """D of each order, the highest first."""
        self._unigram = _unigram(tables)
        by_probability = np.argsort(-self._unigram, kind="stable")  # ties: the smaller id first
        self._falling = self._unigram[by_probability]
        self._place = np.empty(n_classes, np.int64)
        self._place[by_probability] = np.arange(n_classes)
        self._orders: list[_Order] = []  # the lowest first
        for table in map(_estimate, tables.orders):
            at = self._lookup(np.repeat(table.contexts, table.sizes), table.keys % n_classes)
            scores = table.mass + np.repeat(table.backoff, table.sizes) * at.probability[-1]
            self._orders.append(_Order(table, scores, self._before(at), n_classes))

    @property
    def places(self) -> Ints:
        """Place of each class in the ranking of the lowest order, from 0, (n_classes,)."""
        return self._place

    def probabilities(self, context: Ints) -> Floats:
        """Return P of every class, (n_classes,), after one context (k,), the latest token last; k >= order - 1."""
        result = self._unigram.copy()
        for length, order in enumerate(self._orders, start=1):
            seen = order.seen
            row = seen.rows(self._packed(context[np.newaxis], length))[0]
            if row >= 0:
                entries = slice(seen.starts[row], seen.starts[row + 1])
                result *= seen.backoff[row]
                result[seen.keys[entries] % self._n_classes] += seen.mass[entries]
        return result

    def score(self, contexts: Ints, labels: Ints) -> tuple[Floats, Ints]:
        """Return the negative log-probability of each label, and its rank among all classes.

        Args:
            contexts: (n, k) context ids, the latest last; k >= order - 1.
            labels: (n,) ids in [0, n_classes).

        Returns:
            nll (n,) in nats; rank (n,), 1 for the most probable class. Among equals, the smaller id ranks first.
        """
        at = self._lookup(self._packed(contexts, len(self._orders)), labels)
        return -np.log(at.probability[-1]), 1 + self._before(at)

    def _packed(self, contexts: Ints, length: int) -> Ints:
        key = np.zeros(len(contexts), np.int64)
        for column in contexts[:, contexts.shape[1] - length :].T:
            key = key * self._n_contexts + column
        return key

    def _lookup(self, context: Ints, labels: Ints) -> _Lookup:
        """Look labels and packed contexts (n,) up in all orders made so far."""
        result = _Lookup(labels, [], [], [self._unigram[labels]])
        for length, order in enumerate(self._orders, start=1):
            rows, mass = order.seen.find(context % self._n_contexts**length, labels, self._n_classes)
            result.rows.append(rows)
            result.mass.append(mass)
            result.probability.append(mass + order.backoff(rows) * result.probability[-1])
        return result

    def _before(self, at: _Lookup) -> Ints:
        """Return the number of classes ranked before each label, (n,), in the highest order made so far."""
        exact = np.ones(len(at.labels), bool)
        return self._before_in(len(self._orders), at, at.probability[-1], exact)

    def _before_in(self, order: int, at: _Lookup, bound: Floats, exact: Bools) -> Ints:
        """Count the classes before each label in the ranking of an order, without visiting every class.

        An order ranks classes like the order below, except those seen after its context. The count is therefore: the
        classes before the label in the order below, minus those of them that were seen, plus the seen classes before
        the label in this order.

        Args:
            order: 0 for the unigram.
            at: Lookup of n labels.
            bound: (n,) Classes above this probability are before the label. Ignored where `exact` is True.
            exact: (n,) True if the label has no mass of its own above this order. Its own place then counts, ties
                included. Otherwise the bound comes from a seen label, and an unseen class is equal to it only by
                coincidence.
        """
        if order == 0:
            return np.where(exact, self._place[at.labels], np.searchsorted(-self._falling, -bound))
        here, rows = self._orders[order - 1], at.rows[order - 1]
        bound = np.where(exact, at.probability[order], bound)
        unseen = exact & (at.mass[order - 1] == 0)
        below = self._before_in(order - 1, at, bound / here.backoff(rows), unseen)
        seen = here.scores_before(rows, bound, np.where(exact, at.labels, -1))
        return below - here.places_before(rows, below) + seen


@dataclass(frozen=True)
class _Lookup:
    """Labels (n,), with the rows, masses and probabilities of each order, the lowest first.

    `probability` starts with the probability of the unigram.
    """

    labels: Ints
    rows: list[Ints]
    mass: list[Floats]
    probability: list[Floats]


@dataclass(frozen=True)
class _Seen:
    """N-grams of one order, as rows of successors by context.

    Attributes:
        keys: (n,) packed n-grams, ascending.
        contexts: (m,) packed contexts, ascending.
        starts: (m + 1,) index of the first n-gram of each context.
        mass: (n,) max(c - D, 0) / c(context).
        backoff: (m,) (D N1+(context .) + pruned(context .)) / c(context): the share left to the order below.
    """

    keys: Ints
    contexts: Ints
    starts: Ints
    mass: Floats
    backoff: Floats

    @property
    def sizes(self) -> Ints:
        """Number of successors of each context, (m,): N1+(context .)."""
        return np.diff(self.starts)

    def rows(self, contexts: Ints) -> Ints:
        """Return the row of each packed context, -1 for a context that was never seen."""
        return _find(self.contexts, contexts)

    def find(self, contexts: Ints, labels: Ints, n_classes: int) -> tuple[Ints, Floats]:
        """Return the row of each context, -1 for one that was never seen, and the mass of each label."""
        entry = _find(self.keys, contexts * n_classes + labels)
        return self.rows(contexts), np.where(entry >= 0, self.mass[entry], 0.0)


class _Order:
    """Order of the model, with its n-grams ranked within each context."""

    def __init__(self, seen: _Seen, scores: Floats, places: Ints, n_classes: int) -> None:
        """Rank the n-grams.

        Args:
            seen: The n-grams.
            scores: (n,) P of each n-gram.
            places: (n,) Place of each n-gram in the order below, from 0.
            n_classes: Label ids are in [0, n_classes).
        """
        self.seen = seen
        rows = np.repeat(np.arange(len(seen.contexts)), seen.sizes)
        ranked = np.lexsort((-scores, rows))  # Stable: among equals, the smaller label comes first.
        self._scores, self._words = scores[ranked], (seen.keys % n_classes)[ranked]
        self._places = places[np.lexsort((places, rows))]

    def backoff(self, rows: Ints) -> Floats:
        """Return the share left to the order below, (n,): all of it for a context that was never seen."""
        return np.where(rows >= 0, self.seen.backoff[rows], 1.0)

    def scores_before(self, rows: Ints, bound: Floats, labels: Ints) -> Ints:
        """Count the successors, (n,), whose probability is above the bound, or equal to it with a smaller label."""

        def before(at: Ints, of: Ints) -> Bools:
            return (self._scores[at] > bound[of]) | ((self._scores[at] == bound[of]) & (self._words[at] < labels[of]))

        return self._search(rows, before)

    def places_before(self, rows: Ints, places: Ints) -> Ints:
        """Count the successors, (n,), whose place in the order below is before the given place."""
        return self._search(rows, lambda at, of: self._places[at] < places[of])

    def _search(self, rows: Ints, before: Callable[[Ints, Ints], Bools]) -> Ints:
        """Count the leading entries that are `before` in each query's row, by binary search of all queries at once."""
        start = np.where(rows >= 0, self.seen.starts[rows], 0)
        low, high = start.copy(), np.where(rows >= 0, self.seen.starts[rows + 1], 0)
        open_ = np.flatnonzero(low < high)
        while len(open_):
            middle = (low[open_] + high[open_]) // 2
            right = before(middle, open_)
            low[open_[right]] = middle[right] + 1
            high[open_[~right]] = middle[~right]
            open_ = open_[low[open_] < high[open_]]
        return low - start


def _unigram(tables: Tables) -> Floats:
    """Return the unigram probability of every class."""
    counts, total = tables.unigrams, tables.unigrams.sum()
    types = np.count_nonzero(counts)
    uniform = tables.discount * types / total / tables.classes
    return uniform + np.where(counts > 0, (counts - tables.discount) / total, 0.0)


def _estimate(ngrams: Ngrams) -> _Seen:
    mass = (ngrams.counts - ngrams.discount) / np.repeat(ngrams.totals, ngrams.sizes)
    backoff = (ngrams.discount * ngrams.sizes + ngrams.pruned) / ngrams.totals
    return _Seen(ngrams.keys, ngrams.contexts, ngrams.starts, mass, backoff)


def _find(sorted_keys: Ints, wanted: Ints) -> Ints:
    at = np.minimum(np.searchsorted(sorted_keys, wanted), len(sorted_keys) - 1)
    return np.where(sorted_keys[at] == wanted, at, -1)
