"""What the counts and the cache of a mixture say about the rows of a batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import tensorflow as tf

from components.layers.mixture.cache import Cache, Cached
from components.layers.mixture.counts import Counts, Found


class Lookup(NamedTuple):
    """Probabilities of n rows beside those of the model.

    Attributes:
        found: Contexts and labels in the counts.
        cached: Tokens of the rows; None without a cache.
    """

    found: Found
    cached: Cached | None

    @classmethod
    def of(
        cls, counts: Counts, cache: Cache | None, context: tf.Tensor, labels: tf.Tensor, leave_out: bool = False
    ) -> Lookup:
        """Look up contexts and labels.

        Args:
            counts: Counts of n-grams.
            cache: Cache of the rows, or None.
            context: (n, k) integer context ids, the latest last.
            labels: (n,) integers, each a valid class.
            leave_out: Leave one occurrence of each n-gram out of its own estimate.
        """
        return cls(counts.find(context, labels, leave_out), None if cache is None else cache.find(context))

    @property
    def features(self) -> tf.Tensor:
        """Features for the gate, (n, features) float32."""
        return self.found.features if self.cached is None else tf.concat([self.found.features, self.cached.features], 1)

    @property
    def empty(self) -> tf.Tensor | None:
        """Rows without a cache, (n,) bool; None if there is no cache at all."""
        return None if self.cached is None else self.cached.empty

    def probabilities(self, labels: tf.Tensor) -> list[tf.Tensor]:
        """Return the probabilities of the labels (n,) that were looked up: of the counts, and of the cache if any."""
        return [self.found.probability, *([] if self.cached is None else [self.cached.probability(labels)])]

    def take(self, start: Any, end: Any) -> Lookup:
        """Return the rows from `start` up to `end`."""
        return Lookup(self.found.take(start, end), None if self.cached is None else self.cached.take(start, end))

    def masses(self, counts: Counts, shares: tf.Tensor, start: Any, end: Any) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
        """Yield what the classes [start, end) have in each row beyond the unigrams.

        Args:
            counts: Counts that have looked up these rows.
            shares: (n, orders) float32, factor of the masses of each order of the counts, and of the cache if any.
            start: First class.
            end: Class after the last.

        Yields:
            (any, 2) int64 pairs of row and class, counted from `start`; and their (any,) float32 probability.
        """
        parts = [*counts.seen(self.found, start, end)]
        if self.cached is not None:
            parts.append(self.cached.seen(start, end))
        for part, (where, mass) in enumerate(parts):
            yield where, tf.gather(shares[:, part], where[:, 0]) * mass
