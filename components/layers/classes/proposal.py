"""Draws of classes from a fixed distribution, in time that does not depend on the number of classes."""

from __future__ import annotations

import numpy as np
import tensorflow as tf


def alias_table(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split a distribution over n classes into n columns of weight 1/n with two classes each.

    Column i contains class i with the share `keep[i]`, and class `other[i]` with the rest. One uniform number in [0, n)
    draws a class: the integer part selects the column, and the fraction selects the class within the column.

    Source: Walker, "An Efficient Method for Generating Discrete Random Variables" (1977), built with prefix sums as in
    Huebschle-Schneider and Sanders, "Parallel Weighted Random Sampling" (2022): the heavy columns fill up the light
    ones in turn.

    Args:
        probabilities: (n,) nonnegative floats that sum to 1.

    Returns:
        (n,) float32 `keep` and (n,) int32 `other`.
    """
    weights = np.asarray(probabilities, np.float64) * len(probabilities)
    keep, other = np.ones_like(weights), np.arange(len(weights))
    full = min(1.0, weights.max())  # Rounding may put all of several equal weights just below 1.
    light, heavy = np.flatnonzero(weights < full), np.flatnonzero(weights >= full)
    lacking, spare = np.cumsum(1 - weights[light]), np.cumsum(weights[heavy] - 1)
    # A light column takes its missing weight from the first heavy column with weight left.
    giver = np.searchsorted(spare, np.append(0.0, lacking)[: len(light)], side="right")
    keep[light], other[light] = weights[light], heavy[np.minimum(giver, len(heavy) - 1)]
    # The light column that empties a heavy one takes more than was spare. The next heavy column fills the gap.
    last = np.searchsorted(lacking, spare[:-1])
    emptied = last < len(light)
    keep[heavy[:-1][emptied]] = 1 + spare[:-1][emptied] - lacking[last[emptied]]
    other[heavy[:-1]] = heavy[1:]
    return np.clip(keep, 0, 1).astype(np.float32), other.astype(np.int32)


class Proposal:
    """Distribution q, proportional to count ** alpha, from which a step draws S classes with replacement.

    Args:
        counts: (classes,) occurrences of each class. 0 counts as half an occurrence, so that every class can be drawn.
        alpha: Exponent: 0 draws all classes equally often, 1 in proportion to their occurrences.
        draws: Number of draws S.

    Attributes:
        probabilities: (classes,) float64 probabilities q.
    """

    def __init__(self, counts: np.ndarray, alpha: float, draws: int) -> None:
        weights = np.maximum(np.asarray(counts, np.float64), 0.5) ** alpha
        self.probabilities = weights / weights.sum()
        self.draws = draws
        # Created outside of any graph that is being traced, so that graphs share the tables.
        with tf.init_scope():
            self._keep, self._other = (tf.constant(column) for column in alias_table(self.probabilities))
            # log1p and expm1: q may be far below the resolution of 1 - q.
            inclusion = -np.expm1(draws * np.log1p(-self.probabilities))
            self._log_inclusion = tf.constant(np.log(inclusion), tf.float32)

    def draw(self, seed: tf.Tensor) -> tf.Tensor:
        """Return (S,) int32 classes, the same for the same seed on every device, with XLA and without.

        Args:
            seed: (2,) int32.
        """
        classes = len(self.probabilities)
        # Random integers, because XLA derives other floats from the same bits. float64 has enough digits for the
        # column and the position within the column.
        bits = tf.random.stateless_uniform([2, self.draws], seed, None, None, tf.uint32, alg="philox")
        high, low = tf.unstack(tf.cast(bits, tf.float64))
        place = (high + low * 2.0**-32) * (classes * 2.0**-32)
        column = tf.minimum(tf.cast(place, tf.int32), classes - 1)
        within = tf.cast(place - tf.cast(column, tf.float64), tf.float32)
        return tf.where(within < tf.gather(self._keep, column), column, tf.gather(self._other, column))

    def log_inclusion(self, classes: tf.Tensor) -> tf.Tensor:
        """Return log(1 - (1 - q)^S), the log probability that a class is among the draws of a step, as float32.

        Args:
            classes: Integers of any shape.
        """
        return tf.gather(self._log_inclusion, classes)
