"""Numbers of the baskets of the tokens of rows, and the distinct tokens of each basket."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from components.preprocessing.columns.token_features import at_tokens


class Baskets(NamedTuple):
    """Baskets of a batch of rows.

    Attributes:
        tokens: (batch, any) strings, all tokens.
        numbers: (batch, any) int64 number of the basket of each token in its row, from 0.
        kept: (tokens,) bool, False for a token that its basket already contains.
    """

    tokens: tf.SparseTensor
    numbers: tf.SparseTensor
    kept: tf.Tensor

    @classmethod
    def of(cls, tokens: tf.SparseTensor, column: tf.SparseTensor) -> Baskets:
        """Return the baskets of rows.

        Args:
            tokens: (batch, any) strings.
            column: (batch, any) strings. Consecutive tokens of a row with equal values form a basket.
        """
        values, rows = at_tokens(column, tokens).values, tokens.indices[:, 0]
        new_row = rows != _before(rows, tf.constant(-1, tf.int64))
        new = new_row | (values != _before(values, tf.constant("")))
        # Number of the basket among those of all rows, from 0.
        place = tf.cumsum(tf.cast(new, tf.int64)) - 1
        first_of_row = tf.math.unsorted_segment_min(place, rows, tokens.dense_shape[0])
        numbers = place - tf.gather(first_of_row, rows)
        _, pair = tf.unique(tf.strings.join([tf.strings.as_string(place), tokens.values], separator=" "), tf.int64)
        positions = tf.range(tf.size(pair, tf.int64))
        first = tf.math.unsorted_segment_min(positions, pair, tf.size(pair, tf.int64))
        return cls(tokens, tokens.with_values(numbers), tf.gather(first, pair) == positions)

    def distinct(self, column: tf.SparseTensor) -> tf.SparseTensor:
        """Return a column without the values of the tokens that their basket already contains, and without gaps.

        Args:
            column: (batch, any) one value for each token.
        """
        rows = tf.boolean_mask(column.indices[:, 0], self.kept)
        values = tf.boolean_mask(column.values, self.kept)
        ragged = tf.RaggedTensor.from_value_rowids(values, rows, nrows=column.dense_shape[0], validate=False)
        return ragged.to_sparse()

    def numbers_at(self, positions: tf.Tensor) -> tf.Tensor:
        """Return the number of the basket of one token of each row: (batch,) int64.

        Args:
            positions: (batch,) int64 positions of the tokens in their rows.
        """
        at = self.tokens.indices[:, 1] == tf.gather(positions, self.tokens.indices[:, 0])
        rows = tf.boolean_mask(self.tokens.indices[:, 0], at)
        numbers = tf.boolean_mask(self.numbers.values, at)
        return tf.math.unsorted_segment_sum(numbers, rows, self.tokens.dense_shape[0])


def _before(values: tf.Tensor, first: tf.Tensor) -> tf.Tensor:
    """Return the value before each value, and `first` before the first."""
    return tf.concat([[first], values], axis=0)[:-1]
