"""Co-occurrence of the tokens of a row with the label, as a part of a mixture."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.layers.mixture.counts import Order
from components.layers.mixture.part import Part, latest, weigh
from components.layers.mixture.tables import Ngrams
from components.layers.variables import add_variable

# Initial value of rho.
_FIRST_RHO = (0.3, 0.0)


class Pairs(keras.layers.Layer):
    """Layer that estimates probabilities from co-occurrence with the tokens of a row, for baskets and sessions.

        p(j | x_1 ... x_t) = sum_d a_d P(j | x_(t+1-d)),     a = softmax_d(s_d),     d = 1, ..., W
        P(j | i) = max(c(i, j) - D, 0) / c(i, .) + b(i) p_1(j)
        s_d = r_d + rho_1 log(1 + c(i, .)) + rho_2 log(1 + N1+(i, .)),     i = x_(t+1-d)

    c(i, j) counts the rows of the train split in which i and j are at most W tokens apart. The discount D and the share
    b of the unigrams p_1 are those of an n-gram, see `counts.Counts`. r_d is a weight per distance, with the initial
    value -log(d) / 2.

    In training, the row is left out of its own counts: c(i, j) and c(i, .) are reduced by 1. c(i, j) counts rows and
    not occurrences, which makes the reduction exact for c(i, j): an item that occurs twice in a row does not predict
    itself.

    Source: the nearest neighbors of Ludewig and Jannach, "Evaluation of Session-based Recommendation Algorithms"
    (2018), for the counts, here with learned weights and as a probability.

    Args:
        length: W, the number of tokens before a label.
        pairs: Counts c, by context id and class.
        classes: Number of classes.
    """

    features = 3
    """Number of features for the gate: the means of log(1 + c(i, .)) and of log(1 + N1+(i, .)), weighted by a, and the
    log of the sum of exp(s_d)."""
    first = 1.0
    """Initial share in the mixture, relative to the n-grams."""

    def __init__(self, length: int, pairs: Ngrams, classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.length, self.classes = length, classes
        self.order = Order(pairs, name="order")

    def build(self, input_shape: Any = None) -> None:
        """Create r, (length,), for the latest token last; and rho, (2,)."""
        self.places = add_variable(self, "places", -0.5 * np.log(np.arange(self.length, 0, -1)))
        self.rho = add_variable(self, "rho", np.asarray(_FIRST_RHO))
        self.built = True

    @property
    def bytes(self) -> int:
        """Size of the counts in bytes."""
        return self.order.bytes

    def find(self, context: tf.Tensor, labels: tf.Tensor, leave_out: bool = False) -> Part:
        """Look up the pairs of the tokens before each label with the label.

        Args:
            context: (n, k) integer context ids, the latest last; k >= W.
            labels: (n,) integers, each a valid class.
            leave_out: True to leave one occurrence of each pair out of its own estimate.
        """
        tokens = tf.cast(latest(context, self.length), tf.int64)
        shape = tf.shape(tokens)
        flat, repeated = tf.reshape(tokens, [-1]), tf.repeat(tf.cast(labels, tf.int64), self.length)
        left_out = tf.fill(tf.shape(flat), 1.0 if leave_out else 0.0)
        found = self.order.find(flat, repeated, self.classes, left_out)
        counted = tf.reshape(found.features, [shape[0], self.length, 2])
        # A token without counts has no estimate.
        read = counted[:, :, 0] > 0
        weights, total = weigh(self.places + tf.linalg.matvec(counted, self.rho), read)
        means = tf.reduce_sum(weights[:, :, tf.newaxis] * counted, axis=1)
        return Part(
            tokens,
            weights,
            tf.reduce_sum(weights * tf.reshape(found.mass, shape), axis=1),
            tf.reduce_sum(weights * tf.reshape(found.backoff, shape), axis=1),
            tf.concat([means, total[:, tf.newaxis]], axis=1),
        )

    def seen(self, part: Part, start: Any, end: Any) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the classes in [start, end) that occur with the tokens of each row.

        Args:
            part: Tokens of n rows, with nothing left out.
            start: First class.
            end: Class after the last.

        Returns:
            (any, 2) int64 pairs of row and class, counted from `start`, with a pair for each token; and (any,) float32
            masses of the pairs.
        """
        at = tf.where(part.weights > 0)
        tokens, weights = tf.gather_nd(part.tokens, at), tf.gather_nd(part.weights, at)
        where, mass = self.order.seen(tokens, self.order.row(tokens), self.classes, start, end)
        which = where[:, 0]
        return tf.stack([tf.gather(at[:, 0], which), where[:, 1]], axis=1), tf.gather(weights, which) * mass
