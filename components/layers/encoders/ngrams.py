"""What the last few ids say as a whole, remembered for those that are frequent."""

# TensorFlow's and Keras's annotations are narrower than what they take and give.
# pyright: reportArgumentType=false

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
# Something large for ids to begin from, so that n-grams of small numbers do not have the keys of others.
_START = 0x2545F4914F6CDD1D
# Behind every key there is.
_NONE = (1 << 63) - 1
# Keys counted at a time, and different ones kept on: some 100 bytes each while they are joined.
COUNTED = 1 << 24


@keras.saving.register_keras_serializable("bigvocab")
class FrequentNgrams(keras.layers.Layer):
    """The sum of one vector for the last two ids, one for the last three, and so on.

        y = rate * sum_{n=2..longest} T[row(id_{K-n+1} ... id_K)]

    A network that joins embeddings has to learn what a frequent pair of words means out of its parts; a table
    remembers it. Beside a neural model the idea is Mikolov et al., "Strategies for Training Large Scale Neural Network
    Language Models" (2011), there by hashing. Here the most frequent n-grams of the training data have a row each, and
    all others share the last one: what was met once is remembered too well, and is trusted too much when it is met
    again in a later epoch. Count-based models leave it out for the same reason (Katz, "Estimation of Probabilities from
    Sparse Data", 1987). Against that, too, whole n-grams are dropped in training, and `rate` lets a row need several
    steps to say much: Adam moves an entry by about the learning rate whatever its gradient.

    An n-gram is told by a key of 64 bits, made of its ids' fingerprints. Given the tokens (`name_ids`), these are the
    tokens' own, so that an n-gram keeps its key when a later vocabulary numbers the tokens otherwise.

    Args:
        ids: number of ids.
        longest: ids in the longest n-gram, 2 or more.
        frequent: how many n-grams have a row of their own, of all lengths together. T has one row more.
        width: of T.
        dropout: share of the n-grams that are dropped in training.
        rate: of learning, relative to the other weights'.
    """

    def __init__(
        self, ids: int, longest: int, frequent: int, width: int, dropout: float = 0.0, rate: float = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if longest < 2:
            raise ValueError(f"longest is {longest}: an n-gram has 2 ids or more")
        self.ids, self.longest, self.frequent, self.width = ids, longest, frequent, width
        self.dropout, self.rate = dropout, rate
        # Zero: an n-gram says nothing until something was learnt of it.
        self.table = keras.layers.Embedding(frequent + 1, width, "zeros", name="table")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
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
        """The weights that `name_ids` and `count` set, and training leaves alone."""
        return [self.fingerprints, self.keys, self.places]

    def name_ids(self, tokens: Sequence[str]) -> None:
        """Takes the fingerprints of the first ids' tokens; out-of-vocabulary buckets are told by their place."""
        mark = "\0"
        while any(token.startswith(mark) for token in tokens):  # A token may be anything.
            mark += "\0"
        others = [*(f"{mark}{place}" for place in range(self.ids - len(tokens) - 1)), f"{mark}padding"]
        names = tf.constant([*tokens, *others], tf.string)
        # FarmHash's Fingerprint64, which is the same everywhere and for all time.
        self.fingerprints.assign(tf.strings.to_hash_bucket_fast(names, _NONE))

    def count(self, windows: Iterable[tf.Tensor]) -> None:
        """Gives a row to each of the most frequent n-grams, the first to the most frequent.

        Args:
            windows: (any, K) ids, K at least `longest`. `name_ids` comes before.
        """
        keys_of = tf.function(self.keys_of, reduce_retracing=True)
        keys, _ = most_frequent((keys_of(ids).numpy().ravel() for ids in windows), self.frequent)
        found, order = np.full(self.frequent, _NONE), np.argsort(keys)
        found[: len(keys)], places = keys[order], np.arange(self.frequent)
        places[: len(keys)] = order
        self.keys.assign(found)
        self.places.assign(places)

    def counted(self) -> list[str]:
        """The keys that have a row, by row: a vocabulary that another model's rows can be told by."""
        keys, places = (np.asarray(keras.ops.convert_to_numpy(v)) for v in (self.keys, self.places))
        known = keys != _NONE
        return keys[known][np.argsort(places[known])].astype(str).tolist()

    def call(self, ids: tf.Tensor, dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        """(batch, K) int32 ids, K at least `longest` -> (batch, width).

        Args:
            ids: the latest last; padding is an id like others.
            dropout_seed: (2,) int32, in training.
        """
        vectors = lookup(self.table, self.rows(ids))
        if dropout_seed is not None and self.dropout:
            shape = tf.shape(vectors)[:2]
            kept = tf.random.stateless_uniform(shape, dropout_seed) >= self.dropout
            vectors *= tf.cast(kept, vectors.dtype)[:, :, tf.newaxis] / (1 - self.dropout)
        return self.rate * tf.reduce_sum(vectors, axis=1)

    def rows(self, ids: tf.Tensor) -> tf.Tensor:
        """(batch, K) ids -> (batch, longest - 1) int64: the row of the last two ids, of the last three, and so on."""
        keys = self.keys_of(ids)
        flat = tf.reshape(keys, [-1])
        at = tf.minimum(tf.searchsorted(self.keys.value, flat), self.frequent - 1)
        known = gather_rows(self.keys, at) == flat
        return tf.reshape(tf.where(known, gather_rows(self.places, at), self.frequent), tf.shape(keys))

    def keys_of(self, ids: tf.Tensor) -> tf.Tensor:
        """(batch, K) ids -> (batch, longest - 1) int64, of the last two ids, of the last three, and so on."""
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
    """The keys that come most often, the most frequent first, and how often; of equal ones the smaller key first.

    Where there are more than `COUNTED` different keys, all but the most frequent `COUNTED` / 2 are forgotten, as in
    Manku and Motwani, "Approximate Frequency Counts over Data Streams" (2002).

    Args:
        parts: (any,) keys.
        size: how many are wanted.
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
