"""Kneser-Ney estimates from counts in variables of a model, with leave-one-out estimates for training examples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from components.layers.mixture.tables import Ngrams, Tables
from components.layers.optimization.gradients import gather_rows
from components.layers.variables import add_variable, size_in_bytes


class Found(NamedTuple):
    """Contexts and labels of n rows, looked up in every order, the shortest context first.

    Attributes:
        contexts: (n, orders) int64 packed contexts.
        rows: (n, orders) int64 rows of the contexts, -1 for a context that is not in the tables.
        backoffs: (n, orders) float32 shares left to the shorter n-grams.
        masses: (n, orders) float32 shares of the label itself.
        unigram: (n,) float32 unigram probability of the label.
        features: (n, 2 orders) float32, for each order log(1 + c) of the total count of the context and of its number
            of distinct successors. The features depend on the label only through the example that is left out.
    """

    contexts: tf.Tensor
    rows: tf.Tensor
    backoffs: tf.Tensor
    masses: tf.Tensor
    unigram: tf.Tensor
    features: tf.Tensor

    @property
    def probability(self) -> tf.Tensor:
        """Probability of the label, (n,) float32."""
        found = self.unigram
        for order in range(self.rows.shape[1]):
            found = self.masses[:, order] + self.backoffs[:, order] * found
        return found

    def take(self, start: Any, end: Any) -> Found:
        """Return the rows from `start` up to `end`."""
        return Found(*(part[start:end] for part in self))


class Counts(keras.layers.Layer):
    """Interpolated Kneser-Ney model of P(label | last tokens), from counts in variables that do not train.

        P(w | u v) = max(c(u v w) - D, 0) / c(u v .) + b(u v) P(w | v)
        b(u v) = (D N1+(u v .) + pruned(u v .)) / c(u v .)

    N1+ counts the n-grams that are kept. The share of pruned n-grams goes to the shorter n-grams, so the probabilities
    sum to 1 for every table. The unigram is interpolated with the uniform distribution. The estimates are those of
    `components.baselines.models.kneser_ney`, which names the sources. Here a step looks up the labels of a batch, in
    float32.

    Leave-one-out: the counts include each training example. The estimate for an example must exclude the example
    itself. Otherwise training learns to trust counts that other data do not have. `leave_out` computes the result of a
    recount without the example, with the same discounts and the same choice of n-grams: the n-gram and its context
    have one occurrence less. If this was the only occurrence, the n-gram is removed, and with it one continuation of
    the next shorter n-gram. Source: Ney, Essen, Kneser, "On the Estimation of 'Small' Probabilities by Leaving-One-Out"
    (1995).

    The tables do not store the count of a pruned n-gram, so `leave_out` assumes a count of 1. If n-grams with larger
    counts were pruned, the estimate is too low; `baselines.models.tables` prunes these last.

    Args:
        tables: Counts of the n-grams.
    """

    def __init__(self, tables: Tables, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.classes, self.contexts, self.continuation = tables.classes, tables.contexts, tables.continuation
        self.discount = tables.discount
        self._types, self._total = float(np.count_nonzero(tables.unigrams)), float(tables.unigrams.sum())
        self.unigrams = add_variable(self, "unigrams", tables.unigrams, "float32", trainable=False)
        self.orders = [Order(ngrams, name=f"order_{n}") for n, ngrams in enumerate(tables.orders, start=2)]
        self.built = True

    @property
    def order(self) -> int:
        """Number of tokens in the longest n-gram, the label included."""
        return len(self.orders) + 1

    @property
    def bytes(self) -> int:
        """Size of the variables in bytes."""
        return size_in_bytes(self)

    @property
    def features(self) -> int:
        """Number of features of a context."""
        return 2 * len(self.orders)

    def find(self, context: tf.Tensor, labels: tf.Tensor, leave_out: bool = False) -> Found:
        """Look up contexts and labels.

        Args:
            context: (n, k) integer context ids, the latest last; k >= order - 1.
            labels: (n,) integers, each a valid class.
            leave_out: True to leave one occurrence of each n-gram out of its own estimate.
        """
        labels = tf.cast(labels, tf.int64)
        length = context.shape[1]
        key, factor, keys = tf.zeros_like(labels), 1, []
        for place in range(1, self.order):
            key += tf.cast(context[:, length - place], tf.int64) * factor
            factor *= self.contexts
            keys.append(key)
        left_out = tf.fill(tf.shape(labels), 1.0 if leave_out else 0.0)
        found: list[FoundOrder] = []
        for order, key in zip(reversed(self.orders), reversed(keys), strict=True):
            found.insert(0, order.find(key, labels, self.classes, left_out))
            left_out = found[0].gone if self.continuation else left_out
        none = tf.zeros([tf.shape(labels)[0], 0])
        return Found(
            tf.stack(keys, axis=1) if keys else tf.cast(none, tf.int64),
            tf.stack([each.row for each in found], axis=1) if found else tf.cast(none, tf.int64),
            tf.stack([each.backoff for each in found], axis=1) if found else none,
            tf.stack([each.mass for each in found], axis=1) if found else none,
            self._unigram(labels, left_out),
            tf.concat([each.features for each in found], axis=1) if found else none,
        )

    def all_unigrams(self) -> tf.Tensor:
        """Return the unigram probability of every class, (classes,) float32."""
        return self._smoothed(tf.convert_to_tensor(self.unigrams.value), self._types, self._total)

    def seen(self, found: Found, start: Any, end: Any) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
        """Yield the successors of each row's context in every order, the shortest context first.

        Args:
            found: Contexts of n rows, with nothing left out.
            start: First class.
            end: Class after the last.

        Yields:
            (any, 2) int64 pairs of row and class, counted from `start`, each pair once; and (any,) float32 masses of
            the pairs.
        """
        for number, order in enumerate(self.orders):
            yield order.seen(found.contexts[:, number], found.rows[:, number], self.classes, start, end)

    def _unigram(self, labels: tf.Tensor, left_out: tf.Tensor) -> tf.Tensor:
        count = gather_rows(self.unigrams, labels)
        gone = tf.where(count > 1, 0.0, left_out)
        return self._smoothed(count - left_out, self._types - gone, self._total - left_out)

    def _smoothed(self, counts: tf.Tensor, types: Any, total: Any) -> tf.Tensor:
        shares = tf.maximum(counts - self.discount, 0.0) + self.discount * types / self.classes
        # Without the only example the total is 0, and the estimate is the uniform distribution.
        return tf.where(total > 0, tf.math.divide_no_nan(shares, total), 1.0 / self.classes)


class FoundOrder(NamedTuple):
    """Contexts and labels of n rows, looked up in one order: see `Found`.

    Attributes:
        row: (n,) int64, a column of `Found.rows`.
        backoff: (n,) float32, a column of `Found.backoffs`.
        mass: (n,) float32, a column of `Found.masses`.
        features: (n, 2) float32, two columns of `Found.features`.
        gone: (n,) float32, 1 if the occurrence that is left out was the only one of the n-gram; 0 otherwise.
    """

    row: tf.Tensor
    backoff: tf.Tensor
    mass: tf.Tensor
    features: tf.Tensor
    gone: tf.Tensor


class Order(keras.layers.Layer):
    """Variables of the n-grams of one length.

    Args:
        ngrams: Counts of the n-grams.
    """

    def __init__(self, ngrams: Ngrams, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.discount = ngrams.discount
        self.keys = add_variable(self, "keys", ngrams.keys, "int64", trainable=False)
        self.counts = add_variable(self, "counts", ngrams.counts, "float32", trainable=False)
        self.contexts = add_variable(self, "contexts", ngrams.contexts, "int64", trainable=False)
        self.starts = add_variable(self, "starts", ngrams.starts, "int64", trainable=False)
        self.totals = add_variable(self, "totals", ngrams.totals, "float32", trainable=False)
        self.pruned = add_variable(self, "pruned", ngrams.pruned, "float32", trainable=False)
        self.built = True

    @property
    def bytes(self) -> int:
        """Size of the variables in bytes."""
        return size_in_bytes(self)

    def row(self, context: tf.Tensor) -> tf.Tensor:
        """Return the rows of (n,) packed contexts, (n,) int64, -1 for a context that is not in the table."""
        at, known = _find(self.contexts, context)
        return tf.where(known, at, -1)

    def find(self, context: tf.Tensor, labels: tf.Tensor, classes: int, left_out: tf.Tensor) -> FoundOrder:
        """Look up (n,) packed contexts and (n,) labels, with counts reduced by `left_out`, (n,) 0 or 1."""
        at, known = _find(self.contexts, context)
        entry, kept = _find(self.keys, context * classes + labels)
        count = tf.where(kept, gather_rows(self.counts, entry), 0.0)
        gone = tf.where(count > 1, 0.0, left_out)
        total = tf.where(known, gather_rows(self.totals, at), 0.0) - left_out
        size = tf.cast(gather_rows(self.starts, at + 1) - gather_rows(self.starts, at), tf.float32)
        size -= tf.where(kept, gone, 0.0)
        # Below 0 only for an example that was not counted. Its estimate must stay positive too.
        pruned = tf.maximum(gather_rows(self.pruned, at) - tf.where(kept, 0.0, left_out), 0.0)
        seen = total > 0
        backoff = tf.where(seen, tf.math.divide_no_nan(self.discount * size + pruned, total), 1.0)
        mass = tf.math.divide_no_nan(tf.maximum(count - left_out - self.discount, 0.0), tf.maximum(total, 0.0))
        features = tf.where(seen[:, tf.newaxis], tf.math.log1p(tf.stack([total, size + pruned], axis=1)), 0.0)
        return FoundOrder(tf.where(known, at, -1), backoff, mass, features, gone)

    def seen(
        self, context: tf.Tensor, rows: tf.Tensor, classes: int, start: Any, end: Any
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the successors of (n,) packed contexts among the classes [start, end): see `Counts.seen`."""
        start, end = tf.cast(start, tf.int64), tf.cast(end, tf.int64)
        first, last = (tf.searchsorted(self.keys.value, context * classes + each) for each in (start, end))
        entries = tf.ragged.range(tf.cast(first, tf.int64), tf.cast(last, tf.int64))
        which, at = row_ids(entries.row_splits), entries.flat_values
        total = tf.gather(gather_rows(self.totals, tf.maximum(rows, 0)), which)
        label = gather_rows(self.keys, at) % classes - start
        return tf.stack([which, label], axis=1), (gather_rows(self.counts, at) - self.discount) / total


def row_ids(splits: tf.Tensor) -> tf.Tensor:
    """Return the row of each value, in time that does not depend on the longest row.

    The time of `tf.RaggedTensor.value_rowids`, which returns the same, grows with the longest row.

    Args:
        splits: (rows + 1,) int64 start of each row, followed by the end of the last row.

    Returns:
        (values,) int64 rows.
    """
    starts = splits[1:-1, tf.newaxis]
    # One more element, for empty rows at the end.
    steps = tf.scatter_nd(starts, tf.ones_like(starts[:, 0]), [splits[-1] + 1])
    return tf.cumsum(steps)[:-1]


def _find(keys: keras.Variable, wanted: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the index of each wanted key in ascending keys, and a mask of the keys that exist."""
    at = tf.minimum(tf.cast(tf.searchsorted(keys.value, wanted), tf.int64), keys.shape[0] - 1)
    return at, gather_rows(keys, at) == wanted
