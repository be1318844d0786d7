"""Keras layer of the encoder `shared_projection`, the default."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import keras
import tensorflow as tf

from components.layers.encoders.base import dropped
from components.layers.encoders.projected import ProjectedEncoder
from components.layers.encoders.shared_projection.ngrams import FrequentNgrams
from components.layers.encoders.shared_projection.pooling import AttentionPooling

# Number of latest ids whose projections are the query of the pooling.
_ASKING = 2


@keras.saving.register_keras_serializable("bigvocab")
class SharedProjection(ProjectedEncoder):
    """Encoder that projects K embedded ids with ONE matrix, keeps the latest in order, and pools all of them.

        e_k = E[id_k] W                         the same E and W at every position and in every example
        y_h = pool_h(E[id_1] ... E[id_K]) W     weighted mean of all ids by head h, projected with the same W
        x   = [y_1 ... y_num_heads, e_K-ordered_ids+1 ... e_K, numbers, categories]

    With token features, [E[id_k], features of token k] takes the place of E[id_k].

    `Encoder` computes h from x, and adds the vectors of the n-grams of the last ids before the norm. See
    `AttentionPooling` and `FrequentNgrams`. W has no bias, so that the projection of a mean is the mean of the
    projections.

    Args:
        projection: Width of W. "none": the embeddings take the place of the projections.
        ordered_ids: Number of latest ids that are kept in order, at most K.
        num_heads: Number of heads of the pooling. 0: no pooling, so only the ordered ids are used.
        ngrams: Number of ids in the longest n-gram, at most K. 1: no n-grams.
        frequent_ngrams: Number of most frequent n-grams that have their own vector.
        ngram_dropout: Share of the n-grams to drop in training.
        ngram_learning_rate_multiplier: Learning rate of the n-gram vectors, relative to the other weights.
        input_dropout: Share of the projected values to drop in training.
        common: Arguments of `Encoder`.
    """

    def __init__(
        self,
        *,
        projection: int | Literal["none"],
        ordered_ids: int,
        num_heads: int,
        ngrams: int,
        frequent_ngrams: int,
        ngram_dropout: float,
        ngram_learning_rate_multiplier: float,
        input_dropout: float = 0.0,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self._config |= {
            "projection": projection, "ordered_ids": ordered_ids, "num_heads": num_heads, "ngrams": ngrams,
            "frequent_ngrams": frequent_ngrams, "ngram_dropout": ngram_dropout,
            "ngram_learning_rate_multiplier": ngram_learning_rate_multiplier, "input_dropout": input_dropout,
        }  # fmt: skip
        self.add_layers()
        seed = self._config["seed"]
        self.add_projection(projection)
        self.pooling = AttentionPooling(self._config["ids"], num_heads, seed + 4, name="pooling") if num_heads else None
        self.ngrams = None
        self.ordered_ids = ordered_ids

    @property
    def shared_variables(self) -> list[keras.Variable]:
        """Projection matrix W, (embedding, projection); empty without W."""
        return [] if self.projection is None else self.projection.trainable_variables

    @property
    def id_tables(self) -> list[keras.Variable]:
        """Embedding and, with pooling, the score of each id."""
        return [*super().id_tables, *([self.pooling.salience.embeddings] if self.pooling is not None else [])]

    @property
    def lookup_weights(self) -> list[keras.Variable]:
        """Fingerprints of the ids, and keys and rows of the n-grams; empty without n-grams."""
        return self.ngrams.lookup_weights if self.ngrams is not None else []

    @property
    def own_tables(self) -> dict[str, keras.Variable]:
        """Table of the n-grams, named `ngrams`; empty without n-grams."""
        return {"ngrams": self.ngrams.table.embeddings} if self.ngrams is not None else {}

    @property
    def own_vocabularies(self) -> dict[str, list[str]]:
        """Keys of the n-grams that have a row, named `ngrams`; empty without n-grams."""
        return {"ngrams": self.ngrams.counted()} if self.ngrams is not None else {}

    def name_ids(self, tokens: Sequence[str]) -> None:
        """Set the tokens of the n-grams, whose keys are computed from fingerprints of the tokens."""
        if self.ngrams is not None:
            self.ngrams.name_ids(tokens)

    def adapt(self, windows: Callable[[int], Iterable[tf.Tensor]]) -> None:
        """Assign a row to each of the most frequent n-grams of the train split."""
        if self.ngrams is not None:
            self.ngrams.count(windows(self.ngrams.longest))

    def build(self, input_shape: dict[str, tuple[int | None, ...]]) -> None:
        """Create the variables for K ids, the size of the last axis of `input_ids`."""
        # Create all of them here: a distribution strategy needs variables made in its scope, not in the first step.
        context = input_shape["input_ids"][-1]
        embedding, projection, config = self.embedded_width, self.input_width, self._config
        self.ordered_ids = min(config["ordered_ids"], context)
        self.embedding.build((None, context))
        if self.projection is not None:
            self.projection.build((None, context, embedding))
        if self.pooling is not None:
            self.pooling.build([(None, context, embedding), (None, min(_ASKING, self.ordered_ids) * projection)])
        longest = min(config["ngrams"], context)
        if longest > 1:
            dropout, rate = config["ngram_dropout"], config["ngram_learning_rate_multiplier"]
            self.ngrams = FrequentNgrams(
                config["ids"], longest, config["frequent_ngrams"], config["hidden"], dropout, rate, name="ngrams"
            )
            self.ngrams.build((None, context))
        self.build_join((config["num_heads"] + self.ordered_ids) * projection)
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor], dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        """Return the hidden vectors, (batch, hidden).

        Args:
            inputs: `input_ids` and the token features, (batch, K) each, and the features, (batch,) each.
            dropout_seed: (2,) int32 in training; None otherwise.
        """
        # Keras builds symbolically with every input as a float.
        ids = tf.cast(inputs["input_ids"], tf.int32)
        # A separate lookup, because the gradient of a slice would be padded to the size of the whole tensor.
        last = {name: inputs[name][:, -self.ordered_ids :] for name in self.token_features}
        latest = self._joined(self.embedded(ids[:, -self.ordered_ids :], last, dropout_seed))
        values = dropped(latest, self._config["input_dropout"], dropout_seed, 0)
        if self.pooling is not None:
            query = latest[:, -min(_ASKING, self.ordered_ids) * self.input_width :]
            pooled = self.pooling(self.embedded(ids, inputs, dropout_seed), query, ids)
            values = tf.concat([self._joined(pooled), values], axis=1)
        added = None
        if self.ngrams is not None:
            draws = None if dropout_seed is None else tf.random.experimental.stateless_fold_in(dropout_seed, 2)
            added = self.ngrams(ids, dropout_seed=draws)
        return self.join(values, inputs, dropout_seed, added)

    def _joined(self, vectors: tf.Tensor) -> tf.Tensor:
        """Return the concatenated projections, (batch, n x input_width), of (batch, n, embedded_width) embeddings."""
        return tf.reshape(self.projected(vectors), [-1, vectors.shape[1] * self.input_width])
