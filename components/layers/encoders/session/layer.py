"""Keras layer of the encoder `session`."""

from __future__ import annotations

from typing import Any, Literal

import keras
import tensorflow as tf

from components.layers.classes.similarity import unit
from components.layers.encoders.base import dropped, glorot
from components.layers.encoders.projected import ProjectedEncoder
from components.layers.optimization.gradients import gather_rows

# Score of padding before the softmax. Finite, because a row with only padding would give NaN with an infinite score.
_NEVER = -1e9


@keras.saving.register_keras_serializable("bigvocab")
class Session(ProjectedEncoder):
    """Encoder that joins the attention-weighted mean of the items of a session with the latest item.

        v_i = E_i W                             or E_i without W; divided by its length with `unit_length`
        v_k = v_(id_k)                          with token features f_k: [E_(id_k), f_k] W, or [v_(id_k), f_k] without W
        u_k = v_k + p_(K-k)                     p: one vector per position, counted from the latest item
        a_k = softmax_k(q . sigmoid(A u_K + B u_k + c))
        x   = [sum_k a_k u_k, u_K, numbers, categories]

    `Encoder` computes h from x. The layer reads only the items of a row, not the padding before them. The cost of a
    step therefore depends on the lengths of the rows and not on K.

    Sources: Li et al., "Neural Attentive Session-based Recommendation" (2017), and Liu et al., "STAMP: Short-Term
    Attention/Memory Priority Model for Session-based Recommendation" (2018), for attention with the latest item as the
    query; Gupta et al., "NISER: Normalized Item and Session Representations to Handle Popularity Bias" (2019), for
    vectors of length 1 and positions counted from the latest item.

    Args:
        projection: Width of W. "none": no W.
        unit_length: True to divide token vectors by their lengths.
        input_dropout: Share of the values of the token vectors to drop in training.
        common: Arguments of `Encoder`.
    """

    def __init__(
        self, *, projection: int | Literal["none"], unit_length: bool = True, input_dropout: float = 0.0, **common: Any
    ) -> None:
        super().__init__(**common)
        self._config |= {"projection": projection, "unit_length": unit_length, "input_dropout": input_dropout}
        self.add_layers()
        seed = self._config["seed"]
        self.add_projection(projection)
        width = self.input_width
        self.asking = keras.layers.Dense(width, use_bias=False, kernel_initializer=glorot(seed + 4), name="asking")
        self.asked = keras.layers.Dense(width, kernel_initializer=glorot(seed + 5), name="asked")

    @property
    def shared_variables(self) -> list[keras.Variable]:
        """Weights of the projection, of the positions and of the attention."""
        layers = [layer for layer in (self.projection, self.asking, self.asked) if layer is not None]
        return [*(v for layer in layers for v in layer.trainable_variables), self.places, self.score]

    def build(self, input_shape: dict[str, tuple[int | None, ...]]) -> None:
        """Create the variables for K ids, the size of the last axis of `input_ids`."""
        context, width = input_shape["input_ids"][-1], self.input_width
        self.embedding.build((None, context))
        if self.projection is not None:
            self.projection.build((None, self.embedded_width))
        self.asking.build((None, width))
        self.asked.build((None, width))
        self.places = self.add_weight(shape=(context, width), initializer="zeros", name="places")
        self.score = self.add_weight(shape=(width,), initializer=_small(self._config["seed"] + 6), name="score")
        self.build_join(2 * width)
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor], dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        """Return the hidden vectors, (batch, hidden).

        Args:
            inputs: `input_ids` and the token features, (batch, K) each, and the features, (batch,) each.
            dropout_seed: (2,) int32 in training; None otherwise.
        """
        # Keras builds symbolically with every input as a float.
        ids = tf.cast(inputs["input_ids"], tf.int32)
        present = ids != self.padding
        where, count = tf.where(present), tf.shape(ids)[0]
        rows, places = where[:, 0], where[:, 1]
        of_tokens = {name: tf.boolean_mask(inputs[name], present) for name in self.token_features}
        vectors = self.input_vectors(tf.boolean_mask(ids, present), of_tokens, dropout_seed)
        vectors = dropped(vectors, self._config["input_dropout"], dropout_seed, 0)
        # Rows are padded on the left, so the latest item of a row is at the last position.
        distances = ids.shape[1] - 1 - places
        items = vectors + gather_rows(self.places, tf.minimum(distances, self.places.shape[0] - 1))
        is_latest = tf.where(distances == 0)[:, 0]
        latest = tf.math.unsorted_segment_sum(tf.gather(items, is_latest), tf.gather(rows, is_latest), count)
        compared = tf.sigmoid(tf.gather(self.asking(latest), rows) + self.asked(items))
        scores = tf.tensor_scatter_nd_update(
            tf.fill(tf.shape(ids), _NEVER), where, tf.linalg.matvec(compared, self.score)
        )
        weights = tf.gather_nd(tf.nn.softmax(scores), where)
        mean = tf.math.unsorted_segment_sum(weights[:, tf.newaxis] * items, rows, count)
        return self.join(tf.concat([mean, latest], axis=1), inputs, dropout_seed)

    def projected(self, embeddings: tf.Tensor) -> tf.Tensor:
        """Return the projections of embeddings, divided by their lengths if `unit_length`: see `ProjectedEncoder`."""
        vectors = super().projected(embeddings)
        return unit(vectors) if self._config["unit_length"] else vectors


def _small(seed: int) -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(stddev=0.1, seed=seed)
