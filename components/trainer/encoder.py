"""From a window and its row's features to a hidden vector."""

# TensorFlow's and Keras's annotations are narrower than what they take and give.
# pyright: reportArgumentType=false

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("bigvocab")
class SharedProjection(keras.layers.Layer):
    """Embeds K ids, sends each through ONE matrix, keeps them in order, and joins them with the features.

        e_k = E[id_k] W                         the same E and W at every position and in every example
        x   = [e_1 ... e_K, numbers, categories]
        h   = norm(act(x U + c))                or, gated: norm((x U + c) * sigmoid(x V + d))

    The gate is Dauphin et al., "Language Modeling with Gated Convolutional Networks" (2017); norm is layer
    normalisation (Ba et al., 2016).

    Args:
        ids: number of input ids, the padding id among them.
        embedding: width of E.
        projection: width of W, which has no bias.
        numbers: names of the number features.
        categories: names of the category features, each with its number of ids.
        feature_embedding: width of each category's embedding.
        hidden: width of h.
        activation: the name of a Keras activation, or "glu" for the gate.
        normalize: whether there is a norm.
        input_dropout: share of the projected values dropped in training.
        dropout: share of the hidden values dropped in training.
        seed: of the weights.
    """

    def __init__(
        self,
        *,
        ids: int,
        embedding: int,
        projection: int,
        numbers: tuple[str, ...],
        categories: dict[str, int],
        feature_embedding: int,
        hidden: int,
        activation: str = "glu",
        normalize: bool = True,
        input_dropout: float = 0.0,
        dropout: float = 0.0,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._config = {
            "ids": ids, "embedding": embedding, "projection": projection, "numbers": tuple(numbers),
            "categories": dict(categories), "feature_embedding": feature_embedding, "hidden": hidden,
            "activation": activation, "normalize": normalize, "input_dropout": input_dropout,
            "dropout": dropout, "seed": seed,
        }  # fmt: skip
        self.numbers = tuple(numbers)

        def uniform(offset: int) -> keras.initializers.Initializer:
            return keras.initializers.RandomUniform(-0.05, 0.05, seed=seed + offset)

        def glorot(offset: int) -> keras.initializers.Initializer:
            return keras.initializers.GlorotUniform(seed=seed + offset)

        self.embedding = keras.layers.Embedding(ids, embedding, uniform(1), name="embedding")
        self.projection = keras.layers.Dense(
            projection, use_bias=False, kernel_initializer=glorot(2), name="projection"
        )
        self.categories = {
            name: keras.layers.Embedding(size, feature_embedding, uniform(10 + i), name=f"category_{name}")
            for i, (name, size) in enumerate(categories.items())
        }
        # Half of a gated layer's units are the gates: one matrix product for both.
        self._gated = activation == "glu"
        self.hidden = keras.layers.Dense(
            2 * hidden if self._gated else hidden,
            None if self._gated else activation,
            kernel_initializer=glorot(3),
            name="hidden",
        )
        self.norm = keras.layers.LayerNormalization(epsilon=1e-3, name="norm") if normalize else None
        self.input_dropout, self.dropout = input_dropout, dropout

    def build(self, input_shape: dict[str, tuple[int | None, ...]]) -> None:
        # All at once: under a distribution strategy variables are made in its scope, not in the first step.
        context = input_shape["input_ids"][-1]
        config = self._config
        self.embedding.build((None, context))
        self.projection.build((None, context, config["embedding"]))
        for layer in self.categories.values():
            layer.build((None,))
        width = context * config["projection"] + len(self.numbers)
        width += len(self.categories) * config["feature_embedding"]
        self.hidden.build((None, width))
        if self.norm is not None:
            self.norm.build((None, config["hidden"]))
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor], dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        """The hidden vectors.

        Args:
            inputs: `input_ids` (batch, K) and the features (batch,) each.
            dropout_seed: (2,) int32, in training. Keras's own dropout keeps a state, which cannot be updated on several
                replicas at once.

        Returns:
            (batch, hidden).
        """
        # Keras builds symbolically with every input as a float.
        ids = tf.cast(inputs["input_ids"], tf.int32)
        positions = self.projection(self.embedding(ids))
        joined = tf.reshape(positions, [-1, positions.shape[1] * positions.shape[2]])
        parts = [_dropped(joined, self.input_dropout, dropout_seed, 0)]
        parts += [tf.cast(inputs[name], joined.dtype)[:, tf.newaxis] for name in self.numbers]
        parts += [layer(tf.cast(inputs[name], tf.int32)) for name, layer in self.categories.items()]
        hidden = self.hidden(tf.concat(parts, axis=1))
        if self._gated:
            value, gate = tf.split(hidden, 2, axis=1)
            hidden = value * tf.sigmoid(gate)
        hidden = _dropped(hidden, self.dropout, dropout_seed, 1)
        return hidden if self.norm is None else self.norm(hidden)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self._config}


def _dropped(values: tf.Tensor, rate: float, seed: tf.Tensor | None, number: int) -> tf.Tensor:
    if seed is None or rate == 0.0:
        return values
    return tf.nn.experimental.stateless_dropout(values, rate, tf.random.experimental.stateless_fold_in(seed, number))
