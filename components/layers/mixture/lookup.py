"""Lookup of the rows of a batch in the parts of a mixture other than the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from components.layers.mixture.cache import Cache
from components.layers.mixture.counts import Counts, Found
from components.layers.mixture.pairs import Pairs
from components.layers.mixture.part import Part


class Lookup(NamedTuple):
    """Results of a lookup of n rows in the parts of a mixture other than the model.

    Attributes:
        found: Contexts and labels in the n-gram counts.
        parts: Tokens of the rows in the cache and in the pairs, if the mixture has them.
    """

    found: Found
    parts: tuple[Part, ...]

    @property
    def features(self) -> tf.Tensor:
        """Features for the gate, (n, features) float32."""
        return tf.concat([self.found.features, *(part.features for part in self.parts)], axis=1)

    @property
    def empty(self) -> list[tf.Tensor]:
        """Mask of the rows that do not have the part, (n,) bool for each of `parts`."""
        return [part.empty for part in self.parts]

    @property
    def probabilities(self) -> list[tf.Tensor]:
        """Probabilities of the labels in the n-grams and in each of `parts`, (n,) float32 each."""
        return [self.found.probability, *(part.mass + part.backoff * self.found.unigram for part in self.parts)]

    def take(self, start: Any, end: Any) -> Lookup:
        """Return the rows from `start` up to `end`."""
        return Lookup(self.found.take(start, end), tuple(part.take(start, end) for part in self.parts))


class Sources(NamedTuple):
    """Parts of a mixture other than the model.

    Attributes:
        counts: Counts of n-grams.
        others: Cache and pairs, if the mixture has them.
    """

    counts: Counts
    others: Sequence[Cache | Pairs]

    def find(self, context: tf.Tensor, labels: tf.Tensor, leave_out: bool = False) -> Lookup:
        """Look up contexts and labels.

        Args:
            context: (n, k) integer context ids, the latest last.
            labels: (n,) integers, each a valid class.
            leave_out: True to leave one occurrence of each n-gram and pair out of its own estimate.
        """
        parts = tuple(other.find(context, labels, leave_out) for other in self.others)
        return Lookup(self.counts.find(context, labels, leave_out), parts)

    def seen(self, lookup: Lookup, start: Any, end: Any) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
        """Yield the probabilities of the classes [start, end) in each row, without the share of the unigrams.

        The n-grams come first, in ascending order of length, followed by the other parts.

        Args:
            lookup: Results of the lookup of the rows, with nothing left out.
            start: First class.
            end: Class after the last.

        Yields:
            (any, 2) int64 pairs of row and class, counted from `start`; and (any,) float32 probabilities of the pairs.
        """
        yield from self.counts.seen(lookup.found, start, end)
        for other, part in zip(self.others, lookup.parts, strict=True):
            yield other.seen(part, start, end)
