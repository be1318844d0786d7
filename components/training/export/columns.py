"""Columns of the rows of an export: missing values, fixed shapes, and the entries of a vocabulary."""

from __future__ import annotations

import tensorflow as tf

Columns = dict[str, tf.SparseTensor]


def present_values(column: tf.Tensor) -> tf.SparseTensor:
    """Return the values of a column that are present: not "" and not NaN."""
    if column.shape.rank == 1:
        column = column[:, tf.newaxis]
    present = column != "" if column.dtype == tf.string else ~tf.math.is_nan(column)
    indices = tf.where(present)
    return tf.SparseTensor(indices, tf.gather_nd(column, indices), tf.shape(column, out_type=tf.int64))


def all_values(column: tf.Tensor) -> tf.SparseTensor:
    """Return the values of a column at all places, also those of missing values."""
    indices = tf.where(tf.ones_like(column, tf.bool))
    return tf.SparseTensor(indices, tf.reshape(column, [-1]), tf.shape(column, out_type=tf.int64))


def entry_table(file: str) -> tf.lookup.StaticHashTable:
    """Return a table from ids to the entries of a vocabulary file."""
    lines = tf.lookup.TextFileInitializer(
        file,
        key_dtype=tf.int64, key_index=tf.lookup.TextFileIndex.LINE_NUMBER,
        value_dtype=tf.string, value_index=1, delimiter=" ",
    )  # fmt: skip
    return tf.lookup.StaticHashTable(lines, default_value="")


def has_value(column: tf.SparseTensor, rows: tf.Tensor) -> tf.Tensor:
    """Return a mask of the rows that have a value: (rows,) bool."""
    return tf.math.unsorted_segment_sum(tf.ones_like(column.indices[:, 0]), column.indices[:, 0], rows) > 0


def dense(column: tf.SparseTensor, shape: list[int]) -> tf.Tensor:
    """Return a column as a dense tensor of the fixed shape in the schema, with NaN or "" for missing values."""
    default = "" if column.dtype == tf.string else float("nan")
    whole = tf.SparseTensor(column.indices, column.values, [column.dense_shape[0], max([1, *shape])])
    return tf.reshape(tf.sparse.to_dense(whole, default_value=default), [-1, *shape])
