"""Cache of the tokens of a row, which estimates the probability that a token occurs again."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.layers.mixture.part import Part, latest, weigh
from components.layers.variables import add_variable

# Initial values of theta and phi.
_FIRST_THETA, _FIRST_PHI = -0.15, (3.0, 2.0)


class Cache(keras.layers.Layer):
    """Layer that estimates the probability that a token of the row occurs again, for rows with repetitions.

        p(j | x_1 ... x_t) = sum over d with x_(t+1-d) = j of  a_d,     a = softmax_d(s_d),     d = 1, ..., L
        s_d = r_d + theta log p_1(x_(t+1-d)) + phi_1 m_1(d) + phi_2 m_2(d)

    r_d is a weight per distance, with the initial value -log(d) / 2. p_1 is the unigram probability: rare tokens occur
    again sooner than their frequency suggests. m_1(d) = 1 if the token before x_(t+1-d) equals the latest token x_t, so
    that x_(t+1-d) followed the same token. m_2(d) = 1 if the two tokens before x_(t+1-d) equal x_(t-1) and x_t.

    Sources: Kuhn, De Mori, "A Cache-Based Natural Language Model for Speech Recognition" (1990); Grave, Joulin,
    Usunier, "Improving Neural Language Models with a Continuous Cache" (2017). The matches m are those of an induction
    head: Olsson et al., "In-context Learning and Induction Heads" (2022).

    Args:
        length: L, the number of tokens before a label that the cache reads.
        unigrams: (classes,) counts of the labels.
    """

    features = 4
    """Number of features for the gate: the number of classes in the row, the matches m_1 and m_2, and the log of the
    sum of exp(s_d)."""
    first = 0.25
    """Initial share in the mixture, relative to the n-grams."""

    def __init__(self, length: int, unigrams: np.ndarray, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.length, self.classes = length, len(unigrams)
        # Relative to the mean class, so that theta has little effect on the mean score of a row.
        shares = np.log(np.maximum(unigrams, 1) / max(np.mean(unigrams), 1e-9))
        self._log_unigrams = np.append(shares, 0.0).astype(np.float32)

    def build(self, input_shape: Any = None) -> None:
        """Create r, (length,), for the latest token last; theta, (); and phi, (2,)."""
        distances = np.arange(self.length, 0, -1)
        self.places = add_variable(self, "places", -0.5 * np.log(distances))
        self.theta = add_variable(self, "theta", np.asarray(_FIRST_THETA))
        self.phi = add_variable(self, "phi", np.asarray(_FIRST_PHI))
        self.built = True

    def find(self, context: tf.Tensor, labels: tf.Tensor, leave_out: bool = False) -> Part:
        """Compute the weights of the tokens before each label.

        Args:
            context: (n, k) integer context ids, the latest last; k >= L. An id that is not below the number of classes
                stands for another token, or for no token.
            labels: (n,) integers, each a valid class.
            leave_out: Not used: the tokens before a label do not include it.
        """
        del leave_out
        tokens = tf.cast(latest(context, self.length), tf.int32)
        read = tokens < self.classes
        shares = tf.gather(self._log_unigrams, tf.minimum(tokens, self.classes))
        one = _shifted(tokens[:, :-1] == tokens[:, -1:], 1)
        # A cache of one token has fewer columns than the shift.
        two = one & _shifted(tokens[:, :-2] == tokens[:, -2:-1], 2)[:, : self.length]
        one, two = (tf.cast(match & read, tf.float32) for match in (one, two))
        weights, total = weigh(self.places + self.theta * shares + self.phi[0] * one + self.phi[1] * two, read)
        features = [
            tf.math.log1p(tf.reduce_sum(tf.cast(read, tf.float32), axis=1)),
            tf.reduce_max(one, axis=1),
            tf.reduce_max(two, axis=1),
            total,
        ]
        same = tokens == tf.cast(labels, tf.int32)[:, tf.newaxis]
        mass = tf.reduce_sum(tf.where(same, weights, 0.0), axis=1)
        return Part(tf.cast(tokens, tf.int64), weights, mass, tf.zeros_like(mass), tf.stack(features, axis=1))

    def seen(self, part: Part, start: Any, end: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the tokens of each row among the classes [start, end).

        Args:
            part: Tokens of n rows.
            start: First class.
            end: Class after the last.

        Returns:
            (any, 2) int64 pairs of row and class, counted from `start`, with a pair for each occurrence; and (any,)
            float32 weights of the pairs.
        """
        start, end = tf.cast(start, tf.int64), tf.cast(end, tf.int64)
        where = tf.where((part.tokens >= start) & (part.tokens < end) & (part.weights > 0))
        label = tf.gather_nd(part.tokens, where) - start
        return tf.stack([where[:, 0], label], axis=1), tf.gather_nd(part.weights, where)


def _shifted(matches: tf.Tensor, by: int) -> tf.Tensor:
    """Return the matches with their columns shifted to the right, and False in the first columns."""
    return tf.pad(matches, [[0, 0], [by, 0]])
