"""Transformation of the token features: one value for each token, at the positions of the tokens."""

from __future__ import annotations

import math

import tensorflow as tf

from components.ingest.options.token_features import TokenFeatureSpec


def at_tokens(column: tf.SparseTensor, tokens: tf.SparseTensor) -> tf.SparseTensor:
    """Return the value of a column at the position of each token, and a missing value where the column has none.

    Rows of a request may lack the column, or have fewer values than tokens. Values without a token are left out.

    Args:
        column: (batch, any) texts or numbers, in the order of the rows.
        tokens: (batch, any) tokens of the rows.

    Returns:
        Column with the indices of `tokens`. A missing value is "" or NaN.
    """
    missing = "" if column.dtype == tf.string else math.nan
    width = tf.maximum(column.dense_shape[1], tokens.dense_shape[1])
    places, wanted = (of.indices[:, 0] * width + of.indices[:, 1] for of in (column, tokens))
    # The last place is greater than all others, so that the search always finds one.
    places = tf.concat([places, [tf.int64.max]], axis=0)
    values = tf.concat([column.values, tf.constant([missing], column.dtype)], axis=0)
    found = tf.searchsorted(places, wanted)
    chosen = tf.where(tf.gather(places, found) == wanted, tf.gather(values, found), tf.constant(missing, column.dtype))
    return tokens.with_values(chosen)


def scale_of(column: tf.SparseTensor, feature: TokenFeatureSpec) -> tf.SparseTensor:
    """Return the numbers of a column on the scale on which they are standardized: log(1 + t) of an elapsed time t."""
    if feature.kind != "elapsed":
        return column
    # In float64, which distinguishes nanoseconds. NaN stays NaN.
    return column.with_values(tf.math.log1p(tf.maximum(tf.cast(column.values, tf.float64), 0.0)))
