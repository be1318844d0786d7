"""Numbers that are added to a few logits of each row, and the exact loss of rows with several labels with them."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from components.layers.classes.softmax import log_add
from components.layers.classes.sweep import CLASSES
from components.layers.losses import wide as chunks
from components.layers.losses.labels import Labels
from components.layers.losses.wide import WideSoftmax, gradients_over_chunks, over_chunks


class Bonuses(NamedTuple):
    """Numbers to add to logits, for the pairs of row and class that have one. No pair occurs twice.

    Attributes:
        classes: (pairs,) int32 classes.
        rows: (pairs,) int32 row of each pair.
        values: (pairs,) float32 numbers.
    """

    classes: tf.Tensor
    rows: tf.Tensor
    values: tf.Tensor

    def take(self, start: Any, end: Any) -> Bonuses:
        """Return the bonuses of the rows from `start` up to `end`, with `start` as row 0."""
        kept = tf.where((self.rows >= start) & (self.rows < end))[:, 0]
        return Bonuses(tf.gather(self.classes, kept), tf.gather(self.rows, kept) - start, tf.gather(self.values, kept))

    def of_rows(self, which: tf.Tensor) -> Bonuses:
        """Return the bonuses of some rows, numbered by their position in `which`.

        Args:
            which: (n,) int64 rows, each at most once.
        """
        most = tf.reduce_max(tf.concat([tf.cast(self.rows, tf.int64), which, [-1]], axis=0)) + 1
        places = tf.tensor_scatter_nd_update(tf.fill([most], -1), which[:, tf.newaxis], tf.range(tf.size(which)))
        rows = tf.gather(places, self.rows)
        kept = tf.where(rows >= 0)[:, 0]
        return Bonuses(tf.gather(self.classes, kept), tf.gather(rows, kept), tf.gather(self.values, kept))

    def added(self, logits: tf.Tensor, start: Any, end: Any) -> tf.Tensor:
        """Return the logits of the classes [start, end), (batch, end - start) float32, with the bonuses added."""
        kept = tf.where((self.classes >= start) & (self.classes < end))[:, 0]
        at = tf.stack([tf.gather(self.rows, kept), tf.gather(self.classes, kept) - start], axis=1)
        return tf.tensor_scatter_nd_add(logits, at, tf.gather(self.values, kept))

    def of(self, labels: Labels, classes: int) -> tf.Tensor:
        """Return the bonus of each label, (labels,) float32; 0 for a label without one.

        Args:
            labels: Labels of the rows.
            classes: Number of classes.
        """
        joined = self.with_labels(labels, classes)
        return tf.gather(joined.values, joined.places)

    def with_labels(self, labels: Labels, classes: int) -> Joined:
        """Return the pairs that have a bonus or are a label, each once.

        Args:
            labels: Labels of the rows.
            classes: Number of classes.
        """
        parts = [_keys(self.rows, self.classes, classes), _keys(labels.rows, labels.classes, classes)]
        keys, where = tf.unique(tf.concat(parts, axis=0))
        values = tf.math.unsorted_segment_sum(self.values, where[: tf.size(parts[0])], tf.size(keys))
        pairs = tf.cast(keys % classes, tf.int32), tf.cast(keys // classes, tf.int32)
        return Joined(*pairs, values, where[tf.size(parts[0]) :])


class Joined(NamedTuple):
    """Pairs of row and class that have a bonus or are a label.

    Attributes:
        classes: (pairs,) int32 classes.
        rows: (pairs,) int32 row of each pair.
        values: (pairs,) float32 bonuses, 0 for a label without one.
        places: (labels,) int32 position of each label among the pairs.
    """

    classes: tf.Tensor
    rows: tf.Tensor
    values: tf.Tensor
    places: tf.Tensor


def full_loss_with(
    hidden: tf.Tensor, table: tf.Tensor, bias: tf.Tensor, bonuses: Bonuses, labels: Labels, dtype: str = "float32"
) -> tf.Tensor:
    """Return the exact softmax loss of each row over all classes, with bonuses added to the logits.

    The loss is that of `several_labels.full_loss`. A row has few pairs with a bonus or a label. Their logits are
    computed by themselves and left out of the wide matrix, whose log normalizer r joins theirs:

        loss_i = (sum_j t_ij) log(exp r_i + sum_(j in pairs of i) exp(z_ij + bonus_ij)) - sum_j t_ij (z_ij + bonus_ij)

    The bonuses therefore need no matrix of batch times classes of their own, and each term of the sum is positive.

    Args:
        hidden: (batch, width) float32.
        table: (classes, width) float32.
        bias: (classes,) float32.
        bonuses: Numbers to add to the logits.
        labels: Labels of the rows.
        dtype: "float32" or "bfloat16", the type of the inputs of the wide matrix products.

    Returns:
        (batch,) float32 losses in nats; 0 for a row without labels.
    """
    table, bias = tf.convert_to_tensor(table), tf.convert_to_tensor(bias)
    batch = tf.shape(hidden)[0]
    pairs = bonuses.with_labels(labels, table.shape[0])
    own = tf.reduce_sum(tf.gather(hidden, pairs.rows) * tf.gather(table, pairs.classes), axis=1)
    logits = own + tf.gather(bias, pairs.classes) + pairs.values
    # The shares of the pairs are not read.
    of_pairs = Labels(pairs.classes, pairs.rows, pairs.values)
    rest = _log_rest(hidden, table, bias, pairs.rows, pairs.classes, dtype)
    largest = tf.maximum(rest, tf.math.unsorted_segment_max(logits, pairs.rows, batch))
    largest = tf.stop_gradient(largest)
    exponentials = tf.exp(logits - tf.gather(largest, pairs.rows))
    total = largest + tf.math.log(tf.exp(rest - largest) + of_pairs.sums(exponentials, batch))
    mass = labels.sums(labels.shares, batch)
    return mass * total - labels.sums(labels.shares * tf.gather(logits, pairs.places), batch)


def _log_rest(
    hidden: tf.Tensor, table: tf.Tensor, bias: tf.Tensor, rows: tf.Tensor, excluded: tf.Tensor, dtype: str
) -> tf.Tensor:
    """Return log(sum(exp(logits))) of each row without some pairs of row and class, (batch,) float32.

    Args:
        hidden: (batch, width) float32.
        table: (classes, width) float32.
        bias: (classes,) float32.
        rows: (pairs,) int32 rows of the pairs to leave out.
        excluded: (pairs,) int32 classes of the pairs to leave out.
        dtype: "float32" or "bfloat16", the type of the inputs of the wide matrix products.
    """
    classes = table.shape[0]

    @tf.custom_gradient
    def of(hidden, table, bias):
        def wide_at(start: Any, count: int) -> WideSoftmax:
            here = (excluded >= start) & (excluded < start + count)
            places = tf.stack([rows, tf.where(here, excluded - start, 0)], axis=1)
            part = (table, bias) if count == classes else chunks.cut(start, count, table, bias)
            return WideSoftmax(hidden, *part, dtype, (places, here))

        if classes <= CLASSES:
            wide = wide_at(0, classes)
            return wide.log_normaliser, wide.gradients

        def add(start, count, total):
            return (log_add(total, wide_at(start, count).log_normaliser),)

        total = over_chunks(classes, add, tf.fill(tf.shape(hidden)[:1], float("-inf")))[0]

        def gradient(upstream):
            def gradients_at(start: Any, count: int) -> chunks.Gradients:
                wide = wide_at(start, count)
                return wide.gradients(upstream * tf.exp(wide.log_normaliser - total))

            return gradients_over_chunks(hidden, classes, gradients_at)

        return total, gradient

    return of(hidden, table, bias)


def _keys(rows: tf.Tensor, classes: tf.Tensor, count: int) -> tf.Tensor:
    """Return one number for each pair of row and class, (pairs,) int64."""
    return tf.cast(rows, tf.int64) * count + tf.cast(classes, tf.int64)
