"""Vectors of the most frequent n-grams of the last ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.layers.encoders.base import lookup
from components.layers.optimization.gradients import gather_rows

# 2^64 / golden ratio, an odd number, as a signed 64-bit integer. Source: Knuth, "The Art of Computer Programming", 6.4
# (multiplicative hashing).
_MIX = 0x9E3779B97F4A7C15 - (1 << 64)
# A large start, so that the keys of n-grams of small numbers do not collide.
_START = 0x2545F4914F6CDD1D
# Larger than every key.
_NONE = (1 << 63) - 1
# Keys counted at a time, and distinct keys kept. Merging takes about 100 bytes per key.
COUNTED = 1 << 24


@keras.saving.register_keras_serializable("bigvocab")
class FrequentNgrams(keras.layers.Layer):
    """Layer that sums one vector for the last two ids, one for the last three, and so on.

        y = rate * sum_{n=2..longest} T[row(id_{K-n+1} ... id_K)]

    A network that joins embeddings must compose the meaning of a frequent pair of words from its parts. A table
    stores the meaning directly. Mikolov et al., "Strategies for Training Large Scale Neural Network Language Models"
    (2011), add such a table, indexed by hashes, to a neural model. Here each of the most frequent n-grams of the
    training data has a row, and all others share the last row. A model overfits to an n-gram that occurs once per
    epoch. Count-based models omit such n-grams for the same reason (Katz, "Estimation of Probabilities from Sparse
    Data", 1987).

    Two more measures limit overfitting. Training drops whole n-grams. A `rate` below 1 slows the growth of a row to
    several steps, because Adam moves an entry by about the learning rate whatever its gradient.

    A 64-bit key, computed from the fingerprints of the ids, identifies an n-gram. After `name_ids` the fingerprints are
    those of the tokens, so an n-gram keeps its key if a later vocabulary numbers the tokens in another order.

    Args:
        ids: Number of ids.
        longest: Number of ids in the longest n-gram, 2 or more.
        frequent: Number of n-grams with their own row, over all lengths. T has one more row.
        width: Width of T.
        dropout: Share of the n-grams to drop in training.
        rate: Learning rate relative to the other weights.

    Raises:
        ValueError: `longest` is below 2.
    """

    def __init__(
        self, ids: int, longest: int, frequent: int, width: int, dropout: float = 0.0, rate: float = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if longest < 2:
            raise ValueError(f"longest is {longest}: an n-gram has 2 ids or more")
        self.ids, self.longest, self.frequent, self.width = ids, longest, frequent, width
        self.dropout, self.rate = dropout, rate
        # Zeros, so that an n-gram has no effect before it is trained.
        self.table = keras.layers.Embedding(frequent + 1, width, "zeros", name="table")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the table, (frequent + 1, width), and the fingerprints, keys and row numbers of the lookup."""
        self.table.build((None,))
        self.fingerprints = self._constant("fingerprints", lambda shape, dtype=None: tf.range(shape[0], dtype=dtype))
        # Keys in ascending order, and the row of each key. The rows are in descending order of frequency.
        self.keys = self._constant("keys", lambda shape, dtype=None: tf.fill(shape, tf.constant(_NONE, dtype)))
        self.places = self._constant("places", lambda shape, dtype=None: tf.range(shape[0], dtype=dtype))
        self.built = True

    def _constant(self, name: str, initializer: Any) -> keras.Variable:
        size = self.ids if name == "fingerprints" else self.frequent
        return self.add_weight(shape=(size,), dtype="int64", initializer=initializer, trainable=False, name=name)

    @property
    def lookup_weights(self) -> list[keras.Variable]:
        """Weights that `name_ids` and `count` set and that training does not change."""
        return [self.fingerprints, self.keys, self.places]

    def name_ids(self, tokens: Sequence[str]) -> None:
        """Set the fingerprints of the first ids from their tokens, and those of the other ids from their positions.

        Args:
            tokens: Tokens in the order of their ids.
        """
        mark = "\0"
        while any(token.startswith(mark) for token in tokens):  # No token may equal a name made below.
            mark += "\0"
        others = [*(f"{mark}{place}" for place in range(self.ids - len(tokens) - 1)), f"{mark}padding"]
        names = tf.constant([*tokens, *others], tf.string)
        # FarmHash's Fingerprint64, which is the same on all platforms and in all versions.
        self.fingerprints.assign(tf.strings.to_hash_bucket_fast(names, _NONE))

    def count(self, windows: Iterable[tf.Tensor]) -> None:
        """Assign rows to the most frequent n-grams, in descending order of frequency. Call `name_ids` first.

        Args:
            windows: (any, K) batches of ids, K at least `longest`.
        """
        keys_of = tf.function(self.keys_of, reduce_retracing=True, autograph=False)
        keys, _ = most_frequent((keys_of(ids).numpy().ravel() for ids in windows), self.frequent)
        found, order = np.full(self.frequent, _NONE), np.argsort(keys)
        found[: len(keys)], places = keys[order], np.arange(self.frequent)
        places[: len(keys)] = order
        self.keys.assign(found)
        self.places.assign(places)

    def counted(self) -> list[str]:
        """Return the keys in the order of their rows, the vocabulary by which another model aligns its rows."""
        keys, places = (np.asarray(keras.ops.convert_to_numpy(v)) for v in (self.keys, self.places))
        known = keys != _NONE
        return keys[known][np.argsort(places[known])].astype(str).tolist()

    def call(self, ids: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        """Return the sum of the vectors of the n-grams at the end of each row, (batch, width).

        Args:
            ids: (batch, K) int32, K at least `longest`, the latest last. Padding is an id like any other.
            dropout_seed: (2,) int32 in training; None otherwise.
        """
        vectors = lookup(self.table, self.rows(ids))
        if dropout_seed is not None and self.dropout:
            shape = tf.shape(vectors)[:2]
            kept = tf.random.stateless_uniform(shape, dropout_seed) >= self.dropout
            vectors *= tf.cast(kept, vectors.dtype)[:, :, tf.newaxis] / (1 - self.dropout)
        return self.rate * tf.reduce_sum(vectors, axis=1)

    def rows(self, ids: tf.Tensor) -> tf.Tensor:
        """Return the rows of the last two ids, the last three, and so on, (batch, longest - 1) int64.

        Args:
            ids: (batch, K) integers, K at least `longest`.
        """
        keys = self.keys_of(ids)
        flat = tf.reshape(keys, [-1])
        at = tf.minimum(tf.searchsorted(self.keys.value, flat), self.frequent - 1)
        known = gather_rows(self.keys, at) == flat
        return tf.reshape(tf.where(known, gather_rows(self.places, at), self.frequent), tf.shape(keys))

    def keys_of(self, ids: tf.Tensor) -> tf.Tensor:
        """Return the keys of the last two ids, the last three, and so on, (batch, longest - 1) int64.

        Args:
            ids: (batch, K) integers, K at least `longest`.
        """
        ids = gather_rows(self.fingerprints, tf.cast(ids, tf.int32))
        key = ids[:, -1] + _START
        found = []
        for n in range(2, self.longest + 1):
            key = key * _MIX + ids[:, -n] + n
            # The upper bits of a product are the best mixed, so they are also XORed into the lower bits. The mask
            # removes the sign bits that the shift fills in.
            upper = tf.bitwise.bitwise_and(tf.bitwise.right_shift(key, 32), 0xFFFFFFFF)
            found.append(tf.bitwise.bitwise_xor(key, upper) * _MIX)
        return tf.stack(found, axis=1)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {
            **super().get_config(),
            "ids": self.ids,
            "longest": self.longest,
            "frequent": self.frequent,
            "width": self.width,
            "dropout": self.dropout,
            "rate": self.rate,
        }


def most_frequent(parts: Iterable[NDArray[np.int64]], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the most frequent keys and their counts, sorted by descending count and ascending key.

    Above `COUNTED` distinct keys, the function keeps only the most frequent `COUNTED` / 2, as in Manku and Motwani,
    "Approximate Frequency Counts over Data Streams" (2002).

    Args:
        parts: (any,) int64 keys each.
        size: Maximum number of keys to return.
    """
    keys, counts = np.zeros(0, np.int64), np.zeros(0, np.int64)
    waiting: list[NDArray[np.int64]] = []

    def counted() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        new, of_new = np.unique(np.concatenate([*waiting, np.zeros(0, np.int64)]), return_counts=True)
        every, where = np.unique(np.concatenate([keys, new]), return_inverse=True)
        sums = np.bincount(where, np.concatenate([counts, of_new]), minlength=len(every))
        return every, sums.astype(np.int64)

    for part in parts:
        waiting.append(part)
        if sum(map(len, waiting)) >= COUNTED:
            keys, counts = counted()
            waiting.clear()
            if len(keys) > COUNTED:
                kept = np.sort(np.argsort(-counts, kind="stable")[: COUNTED // 2])
                keys, counts = keys[kept], counts[kept]
    keys, counts = counted()
    best = np.argsort(-counts, kind="stable")[:size]
    return keys[best], counts[best]
