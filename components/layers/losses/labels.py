"""Labels of a batch whose rows have several labels each."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from components.layers.losses.names import LossName as LossName

PADDING = -2
"""Value after the labels of a row in a padded tensor. The value -1 is a label outside the vocabulary."""


class Labels(NamedTuple):
    """Labels of all rows of a batch in one list. A row may have no label. No row has a label twice.

    Attributes:
        classes: (labels,) int32 classes.
        rows: (labels,) int32 row of each label.
        shares: (labels,) float32 share of each label in the target mass of its row.
        weights: (labels,) float32 factor of the cost of each label in the loss "sigmoid"; None: 1.
    """

    classes: tf.Tensor
    rows: tf.Tensor
    shares: tf.Tensor
    weights: tf.Tensor | None = None

    @classmethod
    def of(cls, labels: tf.RaggedTensor | tf.Tensor) -> Labels:
        """Return the labels of a ragged or a padded tensor, with equal shares that sum to 1 in each row.

        Args:
            labels: (batch, any) integers. Negative values are removed: -1, outside the vocabulary, and padding.
        """
        if isinstance(labels, tf.RaggedTensor):
            values, rows = labels.flat_values, labels.value_rowids()
            batch = labels.nrows(tf.int32)
            known = tf.where(values >= 0)[:, 0]
            values, rows = tf.gather(values, known), tf.gather(rows, known)
        else:
            known, batch = tf.where(labels >= 0), tf.shape(labels)[0]
            values, rows = tf.gather_nd(labels, known), known[:, 0]
        values, rows = tf.cast(values, tf.int32), tf.cast(rows, tf.int32)
        counts = tf.math.unsorted_segment_sum(tf.ones_like(rows, tf.float32), rows, batch)
        return cls(values, rows, 1.0 / tf.gather(counts, rows))

    @classmethod
    def none(cls) -> Labels:
        """Return the labels of rows that have none."""
        return cls(tf.zeros([0], tf.int32), tf.zeros([0], tf.int32), tf.zeros([0]))

    def by_class(self, factors: tf.Tensor) -> Labels:
        """Return the labels with the weights of their classes.

        In the loss "softmax", a weight multiplies the share of the label in the target mass, whose sum is then no
        longer 1. In the loss "sigmoid", it multiplies the cost of the label, not that of other classes.

        Args:
            factors: (classes,) float32 weight of each class.
        """
        weights = tf.gather(factors, self.classes)
        return Labels(self.classes, self.rows, self.shares * weights, weights)

    def weighted(self, values: tf.Tensor) -> tf.Tensor:
        """Return values of the labels, (labels,) float32, times their weights."""
        return values if self.weights is None else values * self.weights

    def sums(self, values: tf.Tensor, batch: int | tf.Tensor) -> tf.Tensor:
        """Return the sums of values by row: (labels, ...) -> (batch, ...).

        Args:
            values: (labels, ...) float32.
            batch: Number of rows.
        """
        return tf.math.unsorted_segment_sum(values, self.rows, batch)

    def log_sums(self, logits: tf.Tensor, batch: int | tf.Tensor) -> tf.Tensor:
        """Return log(sum(exp(logits))) by row, (batch,) float32; -inf for a row without labels.

        Args:
            logits: (labels,) float32.
            batch: Number of rows.
        """
        largest = tf.math.unsorted_segment_max(logits, self.rows, batch)
        return largest + tf.math.log(self.sums(tf.exp(logits - tf.gather(largest, self.rows)), batch))
