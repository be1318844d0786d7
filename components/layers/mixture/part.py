"""Result of a lookup of the rows of a batch in the cache or in the pairs of a mixture."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf


class Part(NamedTuple):
    """Weights of the tokens before n labels, with the resulting probabilities and features.

    Attributes:
        tokens: (n, L) int64 context ids, the latest last.
        weights: (n, L) float32 weights, 0 for a token that is not read. The weights of a row sum to 1, or to 0 for a
            row without a token to read.
        mass: (n,) float32 probability of the label, without the share of the unigrams.
        backoff: (n,) float32 share left to the unigrams.
        features: (n, features) float32 features for the gate.
    """

    tokens: tf.Tensor
    weights: tf.Tensor
    mass: tf.Tensor
    backoff: tf.Tensor
    features: tf.Tensor

    @property
    def empty(self) -> tf.Tensor:
        """Mask of the rows without a token to read, (n,) bool."""
        return tf.reduce_all(self.weights == 0, axis=1)

    def take(self, start: Any, end: Any) -> Part:
        """Return the rows from `start` up to `end`."""
        return Part(*(field[start:end] for field in self))


def weigh(scores: tf.Tensor, read: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the softmax of the scores of the tokens to read, and the log of the sum of exp(score).

    Args:
        scores: (n, L) float32 scores of the tokens.
        read: (n, L) bool, True for the tokens to read.

    Returns:
        (n, L) float32 weights, 0 for a token that is not read; and (n,) float32 logarithms, 0 for a row without a token
        to read.
    """
    # Finite, because a row without a token would give NaN with an infinite score.
    scores = tf.where(read, scores, -1e9)
    total = tf.where(tf.reduce_any(read, axis=1), tf.reduce_logsumexp(scores, axis=1), 0.0)
    return tf.where(read, tf.nn.softmax(scores), 0.0), total


def latest(context: tf.Tensor, length: int) -> tf.Tensor:
    """Return the last `length` ids of (n, k) context ids, (n, length), for k >= length."""
    return context[:, context.shape[1] - length :]
