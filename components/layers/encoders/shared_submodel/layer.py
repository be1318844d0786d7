"""Keras layer of the encoder `shared_submodel`."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from components.layers.encoders.base import Encoder, stateless
from components.layers.encoders.shared_submodel.submodel import Layers, checked, make


@keras.saving.register_keras_serializable("bigvocab")
class SharedSubmodel(Encoder):
    """Encoder that embeds K ids, applies ONE submodel f to each, and joins the outputs with the features.

        v_k = f(E[id_k])                        the same E and f at every position and in every example; with token
                                                features, f([E[id_k], features of token k])
        x   = [v_1 ... v_K, numbers, categories], or [pooled v, numbers, categories]

    `Encoder` computes h from x. Pooling leaves out the padding; the pooled vector of a row with only padding is 0.
    Random layers of the submodel, such as `Dropout`, draw from `dropout_seed`, independently for each position.

    Args:
        submodel: Keras layers, such as `[{"Dense": {"units": 64}}, {"LayerNormalization": {}}]`, or
            `"package.module:function"`: a function that takes the width of E and returns a new Keras layer or model
            from (n, embedding) to (n, any width). The width of the token features is part of the width of E.
        join: "concat", "mean", "max" or "sum".
        common: Arguments of `Encoder`.

    Raises:
        ValueError: The submodel cannot be made, or cannot be applied to the inputs.
    """

    def __init__(self, *, submodel: str | Layers, join: str = "concat", **common: Any) -> None:
        super().__init__(**common)
        self._config |= {"submodel": checked(submodel, self.embedded_width), "join": join}
        self.add_layers()

    @property
    def shared_variables(self) -> list[keras.Variable]:
        """Weights of the submodel."""
        return self.submodel.trainable_variables

    def build(self, input_shape: dict[str, tuple[int | None, ...]]) -> None:
        """Create the submodel and all variables for K ids, the size of the last axis of `input_ids`."""
        context = input_shape["input_ids"][-1]
        config = self._config
        self.embedding.build((None, context))
        self.submodel, self._given = make(config["submodel"], self.embedded_width, config["seed"] + 2)
        self.build_join(context * self._given if config["join"] == "concat" else self._given)
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor], dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        """Return the hidden vectors, (batch, hidden): see `Encoder`."""
        ids = tf.cast(inputs["input_ids"], tf.int32)
        context = ids.shape[1]
        rows = tf.reshape(self.embedded(ids, inputs, dropout_seed), [-1, self.embedded_width])
        seed = None if dropout_seed is None else tf.random.experimental.stateless_fold_in(dropout_seed, 2)
        given = tf.cast(stateless(self.submodel, rows, seed), tf.float32)
        positions = tf.reshape(given, [-1, context, self._given])
        return self.join(self._pooled(positions, ids), inputs, dropout_seed)

    def _pooled(self, positions: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
        how = self._config["join"]
        if how == "concat":
            return tf.reshape(positions, [-1, positions.shape[1] * positions.shape[2]])
        present = (ids != self._config["ids"] - 1)[:, :, tf.newaxis]
        if how == "max":
            largest = tf.reduce_max(tf.where(present, positions, positions.dtype.min), axis=1)
            return tf.where(tf.reduce_any(present, axis=1), largest, 0.0)
        total = tf.reduce_sum(tf.where(present, positions, 0.0), axis=1)
        if how == "sum":
            return total
        return total / tf.maximum(tf.reduce_sum(tf.cast(present, total.dtype), axis=1), 1.0)
