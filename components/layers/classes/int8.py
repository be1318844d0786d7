"""Class vectors of one byte per number."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

# Largest absolute value of a number. Without -128, the range is symmetric.
_LARGEST = 127


class Int8Rows(tf.Module):
    """Table of float32 vectors, stored as int8 numbers with one factor for each row.

        v_ij = s_i n_ij,   s_i = max_j |v_ij| / 127

    The error of a number is at most s_i / 2. A slice, and the rows of some ids, are float32.

    Args:
        numbers: (rows, width) int8 n.
        factors: (rows,) float32 s.
    """

    def __init__(self, numbers: Any, factors: Any) -> None:
        super().__init__()
        self.numbers, self.factors = numbers, factors

    @classmethod
    def of(cls, vectors: tf.Tensor) -> Int8Rows:
        """Quantize (rows, width) float32 vectors into variables."""
        vectors = tf.convert_to_tensor(vectors)
        factors = tf.reduce_max(tf.abs(vectors), axis=1) / _LARGEST
        numbers = tf.cast(tf.round(tf.math.divide_no_nan(vectors, factors[:, tf.newaxis])), tf.int8)
        return cls(
            tf.Variable(numbers, trainable=False, name="class_numbers"),
            tf.Variable(factors, trainable=False, name="class_factors"),
        )

    @property
    def shape(self) -> tf.TensorShape:
        """Shape of the table."""
        return self.numbers.shape

    @property
    def bytes(self) -> int:
        """Size of the table in bytes."""
        rows, width = self.shape
        return rows * (width + 4)

    def read(self) -> Int8Rows:
        """Return the table with tensors in place of variables, because each slice of a variable may copy all of it."""
        return Int8Rows(tf.convert_to_tensor(self.numbers), tf.convert_to_tensor(self.factors))

    def rows(self, ids: tf.Tensor) -> tf.Tensor:
        """Return the vectors of (n,) integer ids, (n, width) float32."""
        return _vectors(tf.gather(self.numbers, ids), tf.gather(self.factors, ids))

    def __getitem__(self, part: slice) -> tf.Tensor:
        return _vectors(self.numbers[part], self.factors[part])


def rows_at(table: tf.Tensor | Int8Rows, ids: tf.Tensor) -> tf.Tensor:
    """Return the vectors of (n,) integer ids of a table, (n, width) float32."""
    return table.rows(ids) if isinstance(table, Int8Rows) else tf.gather(table, ids)


def _vectors(numbers: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
    return tf.cast(numbers, tf.float32) * factors[:, tf.newaxis]
