"""Result of looking up the rows of a batch in the cache or in the pairs of a mixture."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf


class Part(NamedTuple):
    """Weights of the tokens before n labels, and what follows from them.

    Attributes:
        tokens: (n, L) int64 context ids, the latest last.
        weights: (n, L) float32, 0 for a token that is not read. They sum to 1, or to 0 for a row without a token to
            read.
        mass: (n,) float32 probability of the label, without the share of the unigrams.
        backoff: (n,) float32 share left to the unigrams.
        features: (n, features) float32, for the gate.
    """

    tokens: tf.Tensor
    weights: tf.Tensor
    mass: tf.Tensor
    backoff: tf.Tensor
    features: tf.Tensor

    @property
    def empty(self) -> tf.Tensor:
        """Rows without a token to read, (n,) bool."""
        return tf.reduce_all(self.weights == 0, axis=1)

    def take(self, start: Any, end: Any) -> Part:
        """Return the rows from `start` up to `end`."""
        return Part(*(field[start:end] for field in self))


def weigh(scores: tf.Tensor, read: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the softmax of the scores of the tokens to read, and the log of the sum of exp(score).

    Args:
        scores: (n, L) float32.
        read: (n, L) bool.

    Returns:
        (n, L) float32 weights, 0 where a token is not read; and (n,) float32, 0 for a row without a token to read.
    """
    # Finite, because a row without a token would give NaN with an infinity.
    scores = tf.where(read, scores, -1e9)
    total = tf.where(tf.reduce_any(read, axis=1), tf.reduce_logsumexp(scores, axis=1), 0.0)
    return tf.where(read, tf.nn.softmax(scores), 0.0), total


def latest(context: tf.Tensor, length: int) -> tf.Tensor:
    """Return the last ids of (n, k) context ids, (n, length); k >= length."""
    return context[:, context.shape[1] - length :]
