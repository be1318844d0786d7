"""Vectors of the most frequent n-grams of the last ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.layers.encoders.base import lookup
from components.layers.gradients import gather_rows

# 2^64 / golden ratio, odd: Knuth, "The Art of Computer Programming", 6.4 (multiplicative hashing). As signed 64 bits.
_MIX = 0x9E3779B97F4A7C15 - (1 << 64)
# A large start, so that n-grams of small numbers do not get the keys of others.
_START = 0x2545F4914F6CDD1D
# Larger than every key.
_NONE = (1 << 63) - 1
# Keys counted at a time, and different keys kept: about 100 bytes each while they are joined.
COUNTED = 1 << 24


@keras.saving.register_keras_serializable("bigvocab")
class FrequentNgrams(keras.layers.Layer):
    """Layer that sums one vector for the last two ids, one for the last three, and so on.

        y = rate * sum_{n=2..longest} T[row(id_{K-n+1} ... id_K)]

    A network that joins embeddings must compose the meaning of a frequent pair of words from its parts; a table
    remembers it. Mikolov et al., "Strategies for Training Large Scale Neural Network Language Models" (2011), put such
    a table, by hashing, beside a neural model. Here each of the most frequent n-grams of the training data has a row,
    and all others share the last row: a model overfits to an n-gram that it meets once an epoch. Count-based models
    omit such n-grams for the same reason (Katz, "Estimation of Probabilities from Sparse Data", 1987). Two more
    measures limit overfitting: training drops whole n-grams, and a `rate` below 1 makes a row need several steps to
    grow, because Adam moves an entry by about the learning rate whatever its gradient.

    A key of 64 bits, made of the fingerprints of its ids, identifies an n-gram. After `name_ids` these are fingerprints
    of the tokens, so an n-gram keeps its key if a later vocabulary numbers the tokens in another order.

    Args:
        ids: Number of ids.
        longest: Ids in the longest n-gram, 2 or more.
        frequent: Number of n-grams with a row of their own, of all lengths together. T has one row more.
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
        # Zero: an n-gram has no effect before it is trained.
        self.table = keras.layers.Embedding(frequent + 1, width, "zeros", name="table")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the table, (frequent + 1, width), and the fingerprints, keys and places that find its rows."""
        self.table.build((None,))
        self.fingerprints = self._constant("fingerprints", lambda shape, dtype=None: tf.range(shape[0], dtype=dtype))
        # Ascending; where each is in the table, whose rows go by frequency.
        self.keys = self._constant("keys", lambda shape, dtype=None: tf.fill(shape, tf.constant(_NONE, dtype)))
        self.places = self._constant("places", lambda shape, dtype=None: tf.range(shape[0], dtype=dtype))
        self.built = True

    def _constant(self, name: str, initializer: Any) -> keras.Variable:
        size = self.ids if name == "fingerprints" else self.frequent
        return self.add_weight(shape=(size,), dtype="int64", initializer=initializer, trainable=False, name=name)

    @property
    def lookup_weights(self) -> list[keras.Variable]:
        """Weights that `name_ids` and `count` set and training leaves alone."""
        return [self.fingerprints, self.keys, self.places]

    def name_ids(self, tokens: Sequence[str]) -> None:
        """Take the fingerprints of the tokens of the first ids; out-of-vocabulary buckets get theirs by position.

        Args:
            tokens: Tokens in the order of their ids.
        """
        mark = "\0"
        while any(token.startswith(mark) for token in tokens):  # A token may begin like the names below.
            mark += "\0"
        others = [*(f"{mark}{place}" for place in range(self.ids - len(tokens) - 1)), f"{mark}padding"]
        names = tf.constant([*tokens, *others], tf.string)
        # FarmHash's Fingerprint64, which is the same everywhere and for all time.
        self.fingerprints.assign(tf.strings.to_hash_bucket_fast(names, _NONE))

    def count(self, windows: Iterable[tf.Tensor]) -> None:
        """Give a row to each of the most frequent n-grams, the first row to the most frequent. Call `name_ids` before.

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
        """Return the keys with a row, by row: the vocabulary that aligns the rows of another model."""
        keys, places = (np.asarray(keras.ops.convert_to_numpy(v)) for v in (self.keys, self.places))
        known = keys != _NONE
        return keys[known][np.argsort(places[known])].astype(str).tolist()

    def call(self, ids: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        """Return the (batch, width) vectors of ids.

        Args:
            ids: (batch, K) int32, K at least `longest`, the latest last; padding is an id like others.
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
            # The upper bits of a product are mixed best: they are brought to the lower ones too, without the sign that
            # shifting fills in.
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
    """Return the most frequent keys, the most frequent first and of equal ones the smaller first, and their counts.

    Above `COUNTED` different keys it forgets all but the most frequent `COUNTED` / 2, as in Manku and Motwani,
    "Approximate Frequency Counts over Data Streams" (2002).

    Args:
        parts: (any,) int64 keys each.
        size: Number of keys to return, at most.
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
