"""A model of the user's own, made once and applied to every input."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from components.layers.encoders.base import Encoder, lookup, stateless
from components.layers.encoders.shared_submodel.submodel import Layers, checked, make


@keras.saving.register_keras_serializable("bigvocab")
class SharedSubmodel(Encoder):
    """Embeds K ids, applies ONE sub-model f to each, and joins what comes out with the features.

        v_k = f(E[id_k])                        the same E and f at every position and in every example
        x   = [v_1 ... v_K, numbers, categories], or [pooled v, numbers, categories]

    and h of x as in `Encoder`. What is pooled leaves out the padding, and is 0 where there is nothing else. Random
    layers of the sub-model, such as `Dropout`, draw from `dropout_seed`, for each position anew.

    Args:
        submodel: layers of Keras, as in `[{"Dense": {"units": 64}}, {"LayerNormalization": {}}]`, or
            `"package.module:function"`, whose function takes the width of E and gives a new Keras layer or model, of
            (n, embedding) to (n, any width).
        join: "concat", "mean", "max" or "sum".
        common: as of `Encoder`.

    Raises:
        ValueError: the sub-model cannot be made, or not be applied to the inputs.
    """

    def __init__(self, *, submodel: str | Layers, join: str = "concat", **common: Any) -> None:
        super().__init__(**common)
        self._config |= {"submodel": checked(submodel, self._config["embedding"]), "join": join}
        self.add_layers()

    @property
    def shared_variables(self) -> list[keras.Variable]:
        """Weights of the sub-model."""
        return self.submodel.trainable_variables

    def build(self, input_shape: dict[str, tuple[int | None, ...]]) -> None:
        """Make the sub-model, and all variables for K ids, the last axis of `input_ids`."""
        context = input_shape["input_ids"][-1]
        config = self._config
        self.embedding.build((None, context))
        self.submodel, self._given = make(config["submodel"], config["embedding"], config["seed"] + 2)
        self.build_join(context * self._given if config["join"] == "concat" else self._given)
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor], dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        """(batch, hidden): see `Encoder`."""
        ids = tf.cast(inputs["input_ids"], tf.int32)
        context = ids.shape[1]
        rows = tf.reshape(lookup(self.embedding, ids), [-1, self._config["embedding"]])
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
