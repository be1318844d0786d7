"""Mixture of softmax, counts, cache and pairs over many classes, with few probabilities held at a time."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from components.layers.classes.softmax import LOGITS, best, count_true, in_chunks, log_add, log_normaliser, sum_at
from components.layers.classes.sweep import CLASSES, Sweep, read_once, result_specs
from components.layers.mixture.gate import mixture_loss
from components.layers.mixture.lookup import Lookup, Sources


def mixture_sweep(
    hidden: tf.Tensor,
    table: Any,
    bias: Any,
    shares: tf.Tensor,
    sources: Sources,
    lookup: Lookup,
    labels: tf.Tensor | None = None,
    k: int = 0,
) -> Sweep:
    """Measure labels and find the most probable classes under the mixture of a softmax and other parts.

        p = g softmax(hidden table^T + bias) + sum_i g_i p_i

    The function holds at most `LOGITS` probabilities, of `CLASSES` classes at a time. With more classes, a first pass
    computes the normalizer of the softmax, and a second pass computes the logits again. The largest p has rank 1. Of
    classes with equal p, the smaller id comes first.

    Args:
        hidden: (batch, width) float32; batch may be 0.
        table: (classes, width) float32, or `Int8Rows`.
        bias: (classes,) float32.
        shares: (batch, parts) float32 logarithms of the shares g.
        sources: Other parts of the mixture.
        lookup: Results of the lookup of the rows in `sources`, with any valid class for a label outside the vocabulary.
        labels: (batch,) integers, -1 outside the vocabulary; None if neither nll nor rank is needed.
        k: Number of the most probable classes to find.

    Raises:
        ValueError: `k` is larger than the number of classes.
    """
    table, bias = read_once(table, bias, k)
    classes = table.shape[0]
    unigrams = sources.counts.all_unigrams()

    def of(start: tf.Tensor, end: tf.Tensor) -> Sweep:
        vectors = tf.cast(hidden[start:end], tf.float32)
        rows = _Rows(vectors, table, bias, shares[start:end], sources, lookup.take(start, end), unigrams)
        return rows.swept(None if labels is None else tf.cast(labels[start:end], tf.int32), k)

    chunk = max(1, min(2_048, LOGITS // min(classes, CLASSES)))
    return Sweep(*in_chunks(tf.shape(hidden)[0], chunk, of, result_specs(k)))


class _Rows:
    """Mixture of some rows, computed in chunks of classes."""

    def __init__(
        self,
        hidden: tf.Tensor,
        table: Any,
        bias: tf.Tensor,
        shares: tf.Tensor,
        sources: Sources,
        lookup: Lookup,
        unigrams: tf.Tensor,
    ) -> None:
        self._hidden, self._table, self._bias = hidden, table, bias
        self._sources, self._lookup, self._unigrams = sources, lookup, unigrams
        self._log_shares, self._of_model = shares, tf.exp(shares[:, 0])
        # Share of each order in the mixture, the unigram first: the share of the counts, times the backoffs of all
        # higher orders.
        backoffs = lookup.found.backoffs
        factors = [tf.exp(shares[:, 1])]
        for order in reversed(range(backoffs.shape[1])):
            factors.insert(0, factors[0] * backoffs[:, order])
        others = [tf.exp(shares[:, 2 + part]) for part in range(len(lookup.parts))]
        self._of_unigrams = factors[0]
        for share, part in zip(others, lookup.parts, strict=True):
            self._of_unigrams += share * part.backoff
        # Factor of each part that `Sources.seen` yields.
        self._factors = [*factors[1:], *others]

    def swept(self, labels: tf.Tensor | None, k: int) -> Sweep:
        """Sweep over all classes: see `mixture_sweep`."""
        classes = self._table.shape[0]
        known = tf.fill(tf.shape(self._of_model), False) if labels is None else labels >= 0
        label = tf.zeros_like(known, tf.int32) if labels is None else tf.maximum(labels, 0)
        if classes <= CLASSES:
            logits = self._logits(0, classes)
            model = tf.nn.softmax(logits)
            normaliser, own = log_normaliser(logits, model), tf.gather(logits, label, batch_dims=1)
            mixed = self._mixed(model, 0, classes)
            before = tf.zeros_like(label)
            if labels is not None:
                before = _before(mixed, tf.gather(mixed, label, batch_dims=1), label, 0)
            probabilities, ids = best(mixed, k)
        else:
            normaliser, own = self._normaliser(label)
            before, probabilities, ids = self._second_pass(labels, normaliser, own, k)
        nll = mixture_loss(normaliser - own, self._log_shares, self._lookup.probabilities)
        return Sweep(tf.where(known, nll, 0.0), tf.where(known, 1 + before, classes + 1), ids, probabilities)

    def _logits(self, start: Any, end: Any) -> tf.Tensor:
        return tf.nn.bias_add(tf.matmul(self._hidden, self._table[start:end], transpose_b=True), self._bias[start:end])

    def _mixed(self, model: tf.Tensor, start: Any, end: Any) -> tf.Tensor:
        """Return the probabilities of the classes [start, end) in the mixture from those of the softmax."""
        mixed = self._of_model[:, tf.newaxis] * model + self._of_unigrams[:, tf.newaxis] * self._unigrams[start:end]
        seen = [
            (where, tf.gather(factor, where[:, 0]) * mass)
            for factor, (where, mass) in zip(self._factors, self._sources.seen(self._lookup, start, end), strict=True)
        ]
        if not seen:
            return mixed
        where, masses = (tf.concat(parts, axis=0) for parts in zip(*seen, strict=True))
        return mixed + sum_at(where, masses, tf.shape(mixed)[0], end - start)

    def _mixed_label(self, model: tf.Tensor) -> tf.Tensor:
        """Return the probabilities of the labels, (rows,), by the same operations in the same order as `_mixed`."""
        found, parts = self._lookup
        masses = [*(found.masses[:, order] for order in range(found.masses.shape[1])), *(part.mass for part in parts)]
        seen = tf.zeros_like(model)
        for factor, mass in zip(self._factors, masses, strict=True):
            seen += factor * mass
        return self._of_model * model + self._of_unigrams * found.unigram + seen

    def _normaliser(self, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the log normalizer of the softmax over all classes, and the logit of the label."""

        def body(start, normaliser, own):
            end = tf.minimum(start + CLASSES, self._table.shape[0])
            logits = self._logits(start, end)
            here = (label >= start) & (label < end)
            # Computed like the logit of the second pass, so that a label always ties with itself.
            found = tf.gather(logits, tf.where(here, label - start, 0), batch_dims=1)
            normaliser = log_add(normaliser, log_normaliser(logits, tf.nn.softmax(logits)))
            return end, normaliser, tf.where(here, found, own)

        state = (0, tf.fill(tf.shape(label), float("-inf")), tf.zeros_like(label, tf.float32))
        return self._over_chunks(body, state)

    def _second_pass(
        self, labels: tf.Tensor | None, normaliser: tf.Tensor, own: tf.Tensor, k: int
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return the number of classes before the label, and the probabilities and ids of the k most probable classes.

        Args:
            labels: (rows,) int32, or None.
            normaliser: (rows,) log normalizer of the softmax.
            own: (rows,) logit of the label.
            k: Number of the most probable classes to find.
        """
        of_label = self._mixed_label(tf.exp(own - normaliser))

        def body(start, before, largest, ids):
            end = tf.minimum(start + CLASSES, self._table.shape[0])
            mixed = self._mixed(tf.exp(self._logits(start, end) - normaliser[:, tf.newaxis]), start, end)
            new, where = best(mixed, tf.minimum(k, end - start))
            # Earlier chunks have smaller ids, and top_k takes the first of equal values.
            largest, order = tf.math.top_k(tf.concat([largest, new], axis=1), k)
            ids = tf.gather(tf.concat([ids, where + start], axis=1), order, batch_dims=1)
            if labels is not None:
                before += _before(mixed, of_label, tf.maximum(labels, 0), start)
            return end, before, largest, ids

        lowest = tf.fill([tf.shape(own)[0], k], -1.0)
        none = tf.zeros_like(own, tf.int32)
        return self._over_chunks(body, (0, none, lowest, tf.zeros_like(lowest, tf.int32)))

    def _over_chunks(self, body: Any, state: Any) -> Any:
        # Sequential, because parallel chunks would hold their probabilities at the same time.
        classes = self._table.shape[0]
        return tf.while_loop(lambda start, *_: start < classes, body, state, parallel_iterations=1)[1:]


def _before(mixed: tf.Tensor, own: tf.Tensor, label: tf.Tensor, start: Any) -> tf.Tensor:
    """Return the number of classes before each label, (rows,) int32, among the classes of a chunk.

    Args:
        mixed: (rows, chunk) probabilities.
        own: (rows,) probabilities of the labels.
        label: (rows,) int32 labels.
        start: First class of the chunk.
    """
    size = tf.shape(mixed)[1]
    here = (label >= start) & (label < start + size)
    above, not_below = count_true(mixed > own[:, tf.newaxis]), count_true(mixed >= own[:, tf.newaxis])
    before = tf.where(label >= start + size, not_below, above)
    # A label is not before itself, even if its two values differ by a rounding error.
    itself = tf.gather(mixed, tf.where(here, label - start, 0), batch_dims=1)
    before -= tf.cast(here & (itself > own), tf.int32)
    # Ids decide ties within the label's own chunk. Ties are rare, and the label always ties with itself.
    tied = tf.where(here & (not_below - above > 1))
    equal = tf.gather_nd(mixed, tied) == tf.gather_nd(own, tied)[:, tf.newaxis]
    smaller = start + tf.range(size) < tf.gather_nd(label, tied)[:, tf.newaxis]
    return tf.tensor_scatter_nd_add(before, tied, count_true(equal & smaller))
