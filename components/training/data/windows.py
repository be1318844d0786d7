"""Conversion of Transform's rows to windows of K input ids, each with its label and the further targets of its row.

A row of shape `sequence` has a window before each token except the first or, if positions are split, before each token
that is a label of the split. With baskets, it has a window before each basket except the first, with all tokens of the
basket as its labels. A row of shape `labelled` has one window, at the end of its inputs, with its label or, if a row
may have several, with all its labels. In all shapes, a window is a slice of the flat list of the ids of a batch.
One gather cuts all windows of a batch, and no window crosses the boundary of a row. `components.training.rows` joins
the windows of a row again, for encoders that process a row at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from components.ingest.spec import Shape
from components.preprocessing.preprocessing import BASKET, FIRST_LABEL
from components.training.data.layout import Batch, Layout


@dataclass(frozen=True)
class Windows:
    """Positions of the windows in a batch of rows.

    Attributes:
        values: (tokens,) int32 ids of all rows.
        starts: (windows,) start of the row of each window.
        ends: (windows,) position after the last token of each window.
        labels: (windows,) int32 classes, -1 outside the vocabulary; or (windows,) float32 numbers, NaN if missing; or
            (windows, any) int32, all classes of rows with several labels.
        rows: (windows,) index of the row of each window.
        baskets: (windows,) int64 number of the basket that follows each window; None without baskets.
    """

    values: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor
    labels: tf.Tensor | tf.RaggedTensor
    rows: tf.Tensor
    baskets: tf.Tensor | None = None

    @property
    def count(self) -> tf.Tensor:
        """Number of windows, a scalar int32."""
        return tf.shape(self.rows)[0]

    def take(self, which: tf.Tensor) -> Windows:
        """Select windows by index, in the order of `which`."""
        parts = (self.starts, self.ends, self.labels, self.rows, self.baskets)
        return Windows(self.values, *(None if part is None else tf.gather(part, which) for part in parts))

    @property
    def known(self) -> tf.Tensor:
        """Mask of the windows with a known label, or with at least one: (windows,) bool."""
        if isinstance(self.labels, tf.RaggedTensor):
            return tf.reduce_any(self.labels >= 0, axis=1)
        return tf.logical_not(tf.math.is_nan(self.labels)) if self.labels.dtype.is_floating else self.labels >= 0

    def cut(self, context: int, padding: int) -> tf.Tensor:
        """Return the ids of each window, the latest last, padded on the left: (windows, context) int32."""
        return self.cut_of(self.values, context, padding)

    def cut_of(self, values: tf.Tensor, context: int, padding: int) -> tf.Tensor:
        """Return the values of the tokens of each window, the latest last, padded on the left: (windows, context).

        Args:
            values: (tokens,) one value for each token of all rows, of any type.
            context: Number of tokens.
            padding: Value at positions before the start of the row.
        """
        places = self.ends[:, tf.newaxis] + tf.range(-context, 0, dtype=self.ends.dtype)
        # Positions before the start of the row point to a padding that is appended to the values.
        outside = tf.shape(values, out_type=places.dtype)[0]
        places = tf.where(places >= self.starts[:, tf.newaxis], places, outside)
        return tf.gather(tf.concat([values, [tf.cast(padding, values.dtype)]], axis=0), places)


def labelled_windows(
    input_ids: tf.RaggedTensor, label_ids: tf.RaggedTensor, shape: Shape, first_label: tf.Tensor | None = None
) -> Windows:
    """Return all windows that have a label, known or unknown, in the order of the rows.

    Args:
        input_ids: Input ids of the rows.
        label_ids: Label ids of the rows.
        shape: Shape of the data.
        first_label: (rows,) int64 position of the first label of each row, at least 1. None: 1. Only for shape
            `sequence`.
    """
    values = tf.cast(input_ids.values, tf.int32)
    labels = tf.cast(label_ids.values, tf.int32)
    if shape == "labelled":
        count = input_ids.nrows()
        first = tf.cast(label_ids.to_tensor(-1, shape=[None, 1])[:, 0], tf.int32)
        return Windows(values, input_ids.row_starts(), input_ids.row_limits(), first, tf.range(count))
    rows = input_ids.value_rowids()
    starts = tf.gather(input_ids.row_starts(), rows)
    places = tf.range(tf.shape(values, out_type=tf.int64)[0])
    windows = Windows(values, starts, places, labels, rows)
    firsts = starts + (1 if first_label is None else tf.gather(first_label, rows))
    return windows.take(tf.where(places >= firsts)[:, 0])


def number_windows(input_ids: tf.RaggedTensor, labels: tf.Tensor) -> Windows:
    """Return one window at the end of each row, with the number of the row as its label.

    Args:
        input_ids: Input ids of the rows.
        labels: (rows,) float32 numbers, NaN if missing.
    """
    values = tf.cast(input_ids.values, tf.int32)
    return Windows(values, input_ids.row_starts(), input_ids.row_limits(), labels, tf.range(input_ids.nrows()))


def several_windows(input_ids: tf.RaggedTensor, label_ids: tf.RaggedTensor) -> Windows:
    """Return one window at the end of each row, with all labels of the row.

    Args:
        input_ids: Input ids of the rows.
        label_ids: Label ids of the rows, -1 outside the vocabulary.
    """
    values, labels = tf.cast(input_ids.values, tf.int32), tf.cast(label_ids, tf.int32)
    return Windows(values, input_ids.row_starts(), input_ids.row_limits(), labels, tf.range(input_ids.nrows()))


def basket_windows(
    input_ids: tf.RaggedTensor,
    label_ids: tf.RaggedTensor,
    baskets: tf.RaggedTensor,
    first_label: tf.Tensor | None = None,
) -> Windows:
    """Return a window before each basket except the first of its row, with the classes of the basket as its labels.

    Args:
        input_ids: Input ids of the rows.
        label_ids: Classes of the same tokens, -1 outside the vocabulary.
        baskets: Number of the basket of each token in its row, from 0.
        first_label: (rows,) int64 number of the first basket of each row that is a label, at least 1. None: 1.
    """
    numbers, rows, count = baskets.values, baskets.value_rowids(), tf.size(baskets.values, tf.int64)
    places = tf.range(count)
    before = tf.concat([[tf.constant(-1, tf.int64)], numbers], axis=0)[:-1]
    firsts = tf.where((places == tf.gather(baskets.row_starts(), rows)) | (numbers != before))[:, 0]
    labels = tf.RaggedTensor.from_row_splits(
        tf.cast(label_ids.values, tf.int32), tf.concat([firsts, [count]], axis=0), validate=False
    )
    numbers, rows = tf.gather(numbers, firsts), tf.gather(rows, firsts)
    starts = tf.gather(baskets.row_starts(), rows)
    windows = Windows(tf.cast(input_ids.values, tf.int32), starts, firsts, labels, rows, numbers)
    return windows.take(tf.where(numbers >= (1 if first_label is None else tf.gather(first_label, rows)))[:, 0])


def windows_of(features: Batch, layout: Layout) -> Windows:
    """Return all windows of parsed rows, with their labels."""
    ids, labels = features["input_ids"], features[layout.label_column]
    if layout.label_kind == "number":
        return number_windows(ids, labels)
    first_label = features[FIRST_LABEL] if layout.splits_positions else None
    if layout.baskets:
        return basket_windows(ids, labels, features[BASKET], first_label)
    if layout.several_labels:
        return several_windows(ids, labels)
    return labelled_windows(ids, labels, layout.shape, first_label)


def last_windows(input_ids: tf.RaggedTensor, baskets: tf.RaggedTensor | None = None) -> Windows:
    """Return one window at the end of each row, for a prediction of a served model. The labels are -1.

    Args:
        input_ids: Input ids of the rows.
        baskets: Number of the basket of each token in its row, from 0; None without baskets.
    """
    count = input_ids.nrows()
    labels = tf.fill([count], tf.constant(-1, tf.int32))
    values = tf.cast(input_ids.values, tf.int32)
    # A row without tokens has no basket, and its maximum is the least integer.
    next_baskets = None if baskets is None else 1 + tf.maximum(tf.reduce_max(baskets, axis=1), -1)
    return Windows(values, input_ids.row_starts(), input_ids.row_limits(), labels, tf.range(count), next_baskets)
