"""Layer that joins the vector of a label with the vector of its features."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.layers.label_features.stored import StoredFeatures
from components.layers.label_features.sums import FeatureSum
from components.layers.label_features.table import FeatureTable
from components.layers.optimization.gradients import gather_rows


class LabelFeatures(keras.layers.Layer):
    """Layer that joins the own vector and the own bias of a label with contributions of its features.

        v_i = e_i + a(n_i) c(f_i)        a(n) = exp(s + t log(1 + n))        e_i = 0 if n_i = 0
        b_i = o_i if n_i > 0, else b_0 + d(f_i)

    e_i and o_i are the own row and the own bias of label i, n_i its count in the train split, and f_i its features. c
    and d are sums over the features, see `FeatureSum`; s, t and b_0 are learned. s and t start at 0, and b_0 at the log
    frequency of half an occurrence. With t < 0, a rare label relies more on its features. A label that training has
    never seen has a vector and a bias too.

    No label of a training has n_i = 0, so the features alone would never be trained. `own_dropout` treats a random
    share of the labels of each training step as if they had not occurred (Volkovs et al., "DropoutNet: Addressing Cold
    Start in Recommender Systems", 2017).

    Args:
        table: Features and counts of the ids, at least one of which has occurrences.
        width: Width of the vectors.
        others: Number of further ids, such as out-of-vocabulary buckets and padding, which have no features.
        own_dropout: Share of the labels whose own row and bias a training step leaves out.
        seed: Seed of the weights.
    """

    def __init__(
        self,
        table: FeatureTable,
        width: int,
        others: int = 0,
        own_dropout: float = 0.1,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.width, self.own_dropout = width, own_dropout
        self._prior = float(np.log(0.5 / table.counts.sum()))
        self.stored = StoredFeatures(table.followed_by(others), name="stored")
        self.vector_sum = FeatureSum(self.stored, width, _SCALE, seed, name="vectors")
        self.bias_sum = FeatureSum(self.stored, 1, 0.0, name="biases")

    def build(self, input_shape: tuple[int | None, ...] | None = None) -> None:
        """Create the weights of the sums, s and t, and the prior."""
        self.vector_sum.build()
        self.bias_sum.build()
        self.share = self.add_weight(shape=(2,), initializer="zeros", dtype="float32", autocast=False, name="share")
        self.prior = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(self._prior),
            dtype="float32",
            autocast=False,
            name="prior",
        )
        self.built = True

    def vectors(self, own: tf.Tensor, ids: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """Return the vectors v of ids, (n, width) float32.

        Args:
            own: (n, width) float32 own rows of the ids.
            ids: (n,) integers.
            seed: (2,) int32 in training; None otherwise.
        """
        counts, present = self._present(ids, seed)
        weight = tf.exp(self.share[0] + self.share[1] * tf.math.log1p(tf.where(present, counts, 0.0)))
        own = tf.where(present[:, tf.newaxis], own, 0.0)
        return own + weight[:, tf.newaxis] * self.vector_sum(ids)

    def vectors_of(self, table: keras.Variable, ids: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """Return the vectors v of ids of any shape, (..., width) float32, each distinct id computed once.

        Args:
            table: (at least ids, width) own rows.
            ids: Integers.
            seed: (2,) int32 in training; None otherwise.
        """
        found, where = tf.unique(tf.reshape(ids, [-1]))
        made = tf.gather(self.vectors(gather_rows(table, found), found, seed), where)
        return tf.ensure_shape(tf.reshape(made, tf.concat([tf.shape(ids), [self.width]], 0)), [*ids.shape, self.width])

    def biases(self, own: tf.Tensor, ids: tf.Tensor, seed: tf.Tensor | None = None) -> tf.Tensor:
        """Return the biases b of ids, (n,) float32.

        Args:
            own: (n,) float32 own biases of the ids.
            ids: (n,) integers.
            seed: (2,) int32 in training, as for `vectors`; None otherwise.
        """
        _, present = self._present(ids, seed)
        return tf.where(present, own, self.prior.value + self.bias_sum(ids)[:, 0])

    def unseen(self, bags: dict[str, tuple[tf.Tensor, tf.Tensor]], numbers: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the vectors and biases of labels without occurrences, (n, width) and (n,) float32.

        Args:
            bags: Entries, (m,) integers, and their number for each label, (n,) integers, by name of the feature.
            numbers: (n, numbers) float32 standardized numbers.
        """
        vectors = tf.exp(self.share[0]) * self.vector_sum.sum_of(bags, numbers)
        return vectors, self.prior.value + self.bias_sum.sum_of(bags, numbers)[:, 0]

    def _present(self, ids: tf.Tensor, seed: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the counts of ids, (n,) float32, and a mask of the ids whose own row and bias are used, (n,) bool."""
        counts = gather_rows(self.stored.counts, ids)
        present = counts > 0
        if seed is not None and self.own_dropout:
            seed = tf.random.experimental.stateless_fold_in(seed, _DRAW)
            present &= tf.random.stateless_uniform(tf.shape(ids), seed) >= self.own_dropout
        return counts, present

    @property
    def entry_tables(self) -> dict[str, list[keras.Variable]]:
        """Trained weights with a row for each entry of a feature, by the name of the feature."""
        return {name: [table, self.bias_sum.tables[name]] for name, table in self.vector_sum.tables.items()}

    @property
    def lookup_weights(self) -> list[keras.Variable]:
        """Weights that the vocabulary and the features determine, and that training does not change."""
        return self.stored.weights


_SCALE = 0.05
"""Bound of the initial contributions to a vector, as of the initial embeddings."""
_DRAW = 10_000
"""Number that is folded into the seed of a step. The other draws of a step use smaller numbers."""
