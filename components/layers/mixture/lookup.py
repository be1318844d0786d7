"""Lookup of the rows of a batch in the parts of a mixture beside the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from components.layers.mixture.cache import Cache
from components.layers.mixture.counts import Counts, Found
from components.layers.mixture.pairs import Pairs
from components.layers.mixture.part import Part


class Lookup(NamedTuple):
    """Probabilities of n rows beside those of the model.

    Attributes:
        found: Contexts and labels in the n-gram counts.
        parts: Tokens of the rows in the cache and in the pairs, as far as there are any.
    """

    found: Found
    parts: tuple[Part, ...]

    @property
    def features(self) -> tf.Tensor:
        """Features for the gate, (n, features) float32."""
        return tf.concat([self.found.features, *(part.features for part in self.parts)], axis=1)

    @property
    def empty(self) -> list[tf.Tensor]:
        """Rows without each of the parts, (n,) bool each."""
        return [part.empty for part in self.parts]

    @property
    def probabilities(self) -> list[tf.Tensor]:
        """Probabilities of the labels, (n,) float32 each: of the n-grams, and of each of the parts."""
        return [self.found.probability, *(part.mass + part.backoff * self.found.unigram for part in self.parts)]

    def take(self, start: Any, end: Any) -> Lookup:
        """Return the rows from `start` up to `end`."""
        return Lookup(self.found.take(start, end), tuple(part.take(start, end) for part in self.parts))


class Sources(NamedTuple):
    """Parts of a mixture beside the model.

    Attributes:
        counts: Counts of n-grams.
        others: The cache and the pairs, as far as there are any.
    """

    counts: Counts
    others: Sequence[Cache | Pairs]

    def find(self, context: tf.Tensor, labels: tf.Tensor, leave_out: bool = False) -> Lookup:
        """Look up contexts and labels.

        Args:
            context: (n, k) integer context ids, the latest last.
            labels: (n,) integers, each a valid class.
            leave_out: Leave one occurrence of each n-gram and pair out of its own estimate.
        """
        parts = tuple(other.find(context, labels, leave_out) for other in self.others)
        return Lookup(self.counts.find(context, labels, leave_out), parts)

    def seen(self, lookup: Lookup, start: Any, end: Any) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
        """Yield what the classes [start, end) have in each row beyond the unigrams.

        The n-grams come first, the shortest first, then the others.

        Args:
            lookup: The rows, with nothing left out.
            start: First class.
            end: Class after the last.

        Yields:
            (any, 2) int64 pairs of row and class, counted from `start`; and their (any,) float32 probability.
        """
        yield from self.counts.seen(lookup.found, start, end)
        for other, part in zip(self.others, lookup.parts, strict=True):
            yield other.seen(part, start, end)
