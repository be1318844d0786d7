"""Classes that a row already contains before each label, for `evaluation.exclude_seen`."""

from __future__ import annotations

import tensorflow as tf

from components.layers.classes.unseen import first_occurrences
from components.preprocessing.vocabulary import escape_tensor


class SeenClasses:
    """Distinct classes among the tokens before each window of a batch of rows.

    The classes of each row are stored once, in the order of their first occurrences. The classes before a window are a
    range of this list, so memory does not grow with the number of windows.

    Args:
        ids: (rows, None) classes of the tokens of each row, -1 for a token that is not a class.
        starts: (windows,) position of the first token before each window, among the tokens of all rows.
        ends: (windows,) position after the last token before each window.
    """

    def __init__(self, ids: tf.RaggedTensor, starts: tf.Tensor, ends: tf.Tensor) -> None:
        first = first_occurrences(ids)
        counts = tf.concat([[0], tf.cumsum(tf.cast(first, tf.int32))], axis=0)
        self._classes = tf.boolean_mask(tf.cast(ids.values, tf.int32), first)
        self._starts, self._ends = tf.gather(counts, starts), tf.gather(counts, ends)

    def of(self, start: tf.Tensor, end: tf.Tensor) -> tf.RaggedTensor:
        """Return the classes before the windows [start, end): (end - start, None) int32."""
        places = tf.ragged.range(self._starts[start:end], self._ends[start:end])
        return places.with_values(tf.gather(self._classes, places.values))


def class_ids(file: str) -> tf.lookup.StaticHashTable:
    """Return a table from the entries of a vocabulary file to their ids, -1 for other strings."""
    lines = tf.lookup.TextFileInitializer(
        file,
        key_dtype=tf.string, key_index=1,
        value_dtype=tf.int64, value_index=tf.lookup.TextFileIndex.LINE_NUMBER, delimiter=" ",
    )  # fmt: skip
    return tf.lookup.StaticHashTable(lines, default_value=-1)


def classes_of(columns: list[tf.SparseTensor], table: tf.lookup.StaticHashTable, rows: tf.Tensor) -> tf.RaggedTensor:
    """Return the classes of the tokens of all columns, in the order of the columns: (rows, None) int64.

    Args:
        columns: Columns of tokens.
        table: Table from escaped tokens to classes.
        rows: Number of rows.
    """
    nrows = tf.cast(rows, tf.int64)
    found = []
    for column in columns:
        ids = table.lookup(escape_tensor(column.values))
        found.append(tf.RaggedTensor.from_value_rowids(ids, column.indices[:, 0], nrows, validate=False))
    return tf.concat(found, axis=1)
