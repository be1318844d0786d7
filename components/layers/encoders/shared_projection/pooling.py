"""Attention pooling of embedded ids."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from components.layers.encoders.base import lookup

# Score of padding before the softmax. Finite, because a row with only padding would give NaN with an infinite score.
_NEVER = -1e9


@keras.saving.register_keras_serializable("bigvocab")
class AttentionPooling(keras.layers.Layer):
    """Layer that pools K embedded ids into a few vectors of the same width.

        a_kh = s_h[id_k] + b_h[k] + e_k . (Q_h q)
        y_h  = sum_k softmax_k(a_kh) e_k                  for each head h

    The score of an id is the sum of a weight of the id (s), a weight of its position (b), and its product with the
    query (q, the projections of the latest ids). The embeddings are keys and values, so no other tensor of shape
    (batch, K, width) is computed.

    Sources: Bahdanau et al., "Neural Machine Translation by Jointly Learning to Align and Translate" (2015), for
    attention; Vaswani et al., "Attention Is All You Need" (2017), for dot products.

    Args:
        ids: Number of ids. The last one is the padding id.
        num_heads: Number of vectors to make.
        seed: Seed of the weights.
    """

    def __init__(self, ids: int, num_heads: int, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ids, self.num_heads, self.seed = ids, num_heads, seed
        self.salience = keras.layers.Embedding(ids, num_heads, "zeros", name="salience")

    def build(self, input_shape: list[tuple[int | None, ...]]) -> None:
        """Create the weights of all heads.

        Args:
            input_shape: Shapes of the embedded ids, (batch, K, width), and of the query, (batch, query width).
        """
        (_, context, width), query = input_shape
        self.salience.build((None, context))
        self.place = self.add_weight(shape=(context, self.num_heads), initializer="zeros", name="place")
        self.query = keras.layers.Dense(
            self.num_heads * width,
            use_bias=False,
            kernel_initializer=keras.initializers.GlorotUniform(seed=self.seed),
            name="query",
        )
        self.query.build(query)
        self.built = True

    def call(self, embedded: tf.Tensor, query: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
        """Return the pooled vectors, (batch, num_heads, width).

        Args:
            embedded: (batch, K, width) embeddings of the ids.
            query: (batch, query width) query q.
            ids: (batch, K) integer ids.
        """
        asked = tf.reshape(self.query(query), [-1, self.num_heads, embedded.shape[2]])
        scores = lookup(self.salience, ids) + self.place + tf.matmul(embedded, asked, transpose_b=True)
        scores = tf.where((ids == self.ids - 1)[:, :, tf.newaxis], _NEVER, scores)
        weights = tf.nn.softmax(tf.transpose(scores, [0, 2, 1]))
        return tf.matmul(weights, embedded)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {**super().get_config(), "ids": self.ids, "num_heads": self.num_heads, "seed": self.seed}
