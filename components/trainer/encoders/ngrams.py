"""What the last few ids say as a whole, remembered by hash."""

# TensorFlow's and Keras's annotations are narrower than what they take and give.
# pyright: reportArgumentType=false

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from components.trainer.encoders.base import lookup

# 2^64 / golden ratio, odd: Knuth, "The Art of Computer Programming", 6.4 (multiplicative hashing). As signed 64 bits.
_MIX = 0x9E3779B97F4A7C15 - (1 << 64)


@keras.saving.register_keras_serializable("bigvocab")
class HashedNgrams(keras.layers.Layer):
    """The sum of one vector for the last two ids, one for the last three, and so on, each found by hashing.

        y = rate * sum_{n=2..longest} T[hash(n, f(id_{K-n+1}) ... f(id_K)) mod buckets]

    A network that joins embeddings has to learn what a frequent pair of words means out of its parts; a table
    remembers it. N-grams that fall into one bucket share its row (Weinberger et al., "Feature Hashing for Large Scale
    Multitask Learning", 2009). Beside a neural model the idea is Mikolov et al., "Strategies for Training Large Scale
    Neural Network Language Models" (2011).

    What was seen once is remembered at once, and would be trusted too much when it is met again in a later epoch. So
    whole n-grams are dropped in training, and `rate` lets a row need several steps to say much: Adam moves an entry by
    about the learning rate whatever its gradient.

    f gives each id a fingerprint. Told the tokens (`name_ids`), it is the token's, so that an n-gram keeps its row when
    a later vocabulary numbers the tokens otherwise.

    Args:
        ids: number of ids.
        longest: ids in the longest n-gram, 2 or more.
        buckets: rows of T, for all lengths together.
        width: of T.
        dropout: share of the n-grams that are dropped in training.
        rate: of learning, relative to the other weights'.
    """

    def __init__(
        self, ids: int, longest: int, buckets: int, width: int, dropout: float = 0.0, rate: float = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if longest < 2:
            raise ValueError(f"longest is {longest}: an n-gram has 2 ids or more")
        self.ids, self.longest, self.buckets, self.width, self.dropout, self.rate = (
            ids,
            longest,
            buckets,
            width,
            dropout,
            rate,
        )
        # Zero: an n-gram that was never seen says nothing.
        self.table = keras.layers.Embedding(buckets, width, "zeros", name="table")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.table.build((None,))
        self.fingerprints = self.add_weight(
            shape=(self.ids,),
            dtype="int64",
            initializer=lambda shape, dtype=None: tf.range(shape[0], dtype=dtype),
            trainable=False,
            name="fingerprints",
        )
        self.built = True

    def name_ids(self, tokens: Sequence[str]) -> None:
        """Takes the fingerprints of the first ids' tokens; the others, as for padding, are told by their place."""
        others = [f"\0{place}" for place in range(self.ids - len(tokens))]
        names = tf.constant([*tokens, *others], tf.string)
        # FarmHash's Fingerprint64, which is the same everywhere and for all time.
        self.fingerprints.assign(tf.strings.to_hash_bucket_fast(names, 2**63 - 1))

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
        ids = tf.gather(self.fingerprints, tf.cast(ids, tf.int32))
        key = ids[:, -1]
        found = []
        for n in range(2, self.longest + 1):
            key = key * _MIX + ids[:, -n] + n
            found.append(_bucket(key, self.buckets))
        return tf.stack(found, axis=1)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "ids": self.ids,
            "longest": self.longest,
            "buckets": self.buckets,
            "width": self.width,
            "dropout": self.dropout,
            "rate": self.rate,
        }


def _bucket(key: tf.Tensor, buckets: int) -> tf.Tensor:
    # The upper bits of a product are mixed best.
    return tf.math.floormod(tf.bitwise.right_shift(key * _MIX, 32), buckets)
