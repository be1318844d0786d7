"""Keras layer of the encoder `basket`."""

from __future__ import annotations

from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from components.layers.classes.similarity import unit
from components.layers.encoders.base import dropped
from components.layers.encoders.projected import ProjectedEncoder
from components.layers.optimization.gradients import gather_rows

AGES = "ages"
"""Name of the input with the age of the basket of each token."""

# Score of padding before the softmax. Finite, because a row with only padding would give NaN with an infinite score.
_NEVER = -1e9


@keras.saving.register_keras_serializable("bigvocab")
class Basket(ProjectedEncoder):
    """Encoder that joins the attention-weighted mean of the products of all baskets with the mean of the latest basket.

        v_i = E_i W                             or E_i without W; divided by its length with `unit_length`
        u_k = [v_(id_k) + p_(age_k), f_k]       p: one vector per age; f: token features
        a_k = softmax_k(s_(age_k) + r_(id_k))   s: one score per age, first -log(age) / 2; r: one score per token
        m   = sum_k a_k u_k
        l   = mean of u_k over the tokens of age 1
        x   = [m, l, numbers, categories]

    `Encoder` computes h from x. If h is as wide as a token vector, m without f is added to the hidden layer, so that
    the layer learns what differs from the mean of the products. The age of a basket is 1 for the latest basket, 2 for
    the basket before it, and so on. The order of the tokens within a basket does not matter. The layer reads only the
    tokens of a row, not the padding before them. The cost of a step therefore depends on the lengths of the rows and
    not on K.

    Call the layer with `ages`, (batch, K) int32, beside `input_ids`. Without `ages`, or if a feature has this name,
    each token is a basket of its own.

    Sources: Yu et al., "A Dynamic Recurrent Model for Next Basket Recommendation" (2016), for a vector of a basket that
    is pooled over its products; Hu and He, "Sets2Sets: Learning from Sequential Sets with Neural Networks" (2019), for
    attention over baskets; Gupta et al., "NISER: Normalized Item and Session Representations to Handle Popularity Bias"
    (2019), for vectors of length 1.

    Args:
        ages: Number of ages with vectors and scores of their own. Older baskets have those of the oldest age.
        projection: Width of W. "none": no W.
        unit_length: True to divide token vectors by their lengths.
        input_dropout: Share of the values of the token vectors to drop in training.
        common: Arguments of `Encoder`.
    """

    def __init__(
        self,
        *,
        ages: int,
        projection: int | Literal["none"],
        unit_length: bool = True,
        input_dropout: float = 0.0,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self._config |= {
            "ages": ages,
            "projection": projection,
            "unit_length": unit_length,
            "input_dropout": input_dropout,
        }
        self.add_layers()
        self.add_projection(projection)

    @property
    def shared_variables(self) -> list[keras.Variable]:
        """Weights of the projection, of the ages and of the attention."""
        projection = [] if self.projection is None else self.projection.trainable_variables
        return [*projection, self.age_vectors, self.age_scores, self.token_scores]

    def build(self, input_shape: dict[str, tuple[int | None, ...]]) -> None:
        """Create the variables. They do not depend on K."""
        width, ages = self.token_width, self._config["ages"]
        self.embedding.build((None, input_shape["input_ids"][-1]))
        if self.projection is not None:
            self.projection.build((None, self._config["embedding"]))
        scores = keras.initializers.Constant(-0.5 * np.log(np.arange(1, ages + 1)))
        self.age_vectors = self.add_weight(shape=(ages, width), initializer="zeros", name="age_vectors")
        self.age_scores = self.add_weight(shape=(ages,), initializer=scores, name="age_scores")
        self.token_scores = self.add_weight(shape=(self._config["ids"],), initializer="zeros", name="token_scores")
        self.build_join(2 * (width + self.token_features_width))
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor], dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        """Return the hidden vectors, (batch, hidden).

        Args:
            inputs: `input_ids`, (batch, K), padded on the left; `ages`, (batch, K) integers, at least 1 at each token;
                the token features, (batch, K) each; and the features, (batch,) each.
            dropout_seed: (2,) int32 in training; None otherwise.
        """
        # Keras builds symbolically with every input as a float.
        ids = tf.cast(inputs["input_ids"], tf.int32)
        where, count = tf.where(ids != self.padding), tf.shape(ids)[0]
        rows, tokens = where[:, 0], tf.gather_nd(ids, where)
        # Rows are padded on the left, so the latest token of a row is at the last position.
        ages = (
            tf.gather_nd(tf.cast(inputs[AGES], tf.int64), where)
            if self._reads_ages(inputs)
            else ids.shape[1] - where[:, 1]
        )
        ages = tf.clip_by_value(ages, 1, self._config["ages"]) - 1
        vectors = dropped(self.token_vectors(tokens), self._config["input_dropout"], dropout_seed, 0)
        items = vectors + gather_rows(self.age_vectors, ages)
        of_tokens = {name: tf.gather_nd(inputs[name], where) for name in self.token_features}
        items = self.with_token_features(items, of_tokens)
        scores = gather_rows(self.age_scores, ages) + gather_rows(self.token_scores, tokens)
        spread = tf.tensor_scatter_nd_update(tf.fill(tf.shape(ids), _NEVER), where, scores)
        weights = tf.gather_nd(tf.nn.softmax(spread), where)
        mean = tf.math.unsorted_segment_sum(weights[:, tf.newaxis] * items, rows, count)
        latest = tf.where(ages == 0)[:, 0]
        last = tf.math.unsorted_segment_mean(tf.gather(items, latest), tf.gather(rows, latest), count)
        added = mean[:, : self.token_width] if self._config["hidden"] == self.token_width else None
        return self.join(tf.concat([mean, last], axis=1), inputs, dropout_seed, added)

    def _reads_ages(self, inputs: dict[str, tf.Tensor]) -> bool:
        # A feature of the row may have the same name.
        return AGES in inputs and AGES not in (*self._config["numbers"], *self.categories)

    def projected(self, embeddings: tf.Tensor) -> tf.Tensor:
        """Return the (..., token_width) token vectors of (..., embedding) embeddings, normalized if `unit_length`."""
        vectors = super().projected(embeddings)
        return unit(vectors) if self._config["unit_length"] else vectors
