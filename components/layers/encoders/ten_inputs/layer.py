"""Keras layer of the encoder `ten_inputs`."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from components.layers.encoders.base import Encoder, seeded, stateless


@keras.saving.register_keras_serializable("bigvocab")
class TenInputs(Encoder):
    """Encoder that applies one embedding and one dense layer to K named inputs, and joins them with the features.

        v_k = act(E[input_k] W + b)             input_1 is the latest; the same E, W and b for all; with token features,
                                                act([E[input_k], features of token k] W + b)
        h   = norm(act(hidden([v_1 ... v_K, numbers, categories])))

    `encoder.model` is a functional Keras model.

    Args:
        shared_units: Width of W.
        shared_activation: Name of a Keras activation.
        common: Arguments of `Encoder`.
    """

    def __init__(self, *, shared_units: int, shared_activation: str = "relu", **common: Any) -> None:
        super().__init__(**common)
        self._config |= {"shared_units": shared_units, "shared_activation": shared_activation}

    @property
    def embedding(self) -> keras.layers.Layer:
        """Embedding of the ids, from `model`."""
        return self.model.get_layer("embedding")

    @property
    def categories(self) -> dict[str, keras.layers.Layer]:
        """Embeddings of the category features by name, from `model`."""
        return {
            name: self.model.get_layer(f"category_{i}_embedding") for i, name in enumerate(self._config["categories"])
        }

    @property
    def shared_variables(self) -> list[keras.Variable]:
        """Kernel and bias of the dense layer that all inputs share."""
        return self.model.get_layer("shared").trainable_variables

    def build(self, input_shape: dict[str, tuple[int | None, ...]]) -> None:
        """Create `model` and its variables for K ids, the size of the last axis of `input_ids`."""
        if self.of_tokens is not None:
            self.of_tokens.build()
        with seeded(self._config["seed"]):
            self.model = self._functional(input_shape["input_ids"][-1])
        self.built = True

    def _functional(self, context: int) -> keras.Model:
        config = self._config
        tokens = {f"input_{k}": keras.Input((), dtype="int32", name=f"input_{k}") for k in range(1, context + 1)}
        embedding = keras.layers.Embedding(config["ids"], config["embedding"], name="embedding")
        shared = keras.layers.Dense(config["shared_units"], config["shared_activation"], name="shared")
        of_tokens = {}
        if self.token_features:
            width = self.token_features_width
            of_tokens = {f"{name}_features": keras.Input((width,), name=f"{name}_features") for name in tokens}
            join = keras.layers.Concatenate(name="with_features")
            vectors = [join([embedding(tokens[name]), of_tokens[f"{name}_features"]]) for name in tokens]
        else:
            vectors = [embedding(token) for token in tokens.values()]
        parts = [shared(vector) for vector in vectors]

        # Numbers in place of names: a column may have the name of an input, or a name that Keras does not accept.
        numbers = {f"number_{i}": keras.Input((1,), name=f"number_{i}") for i in range(len(config["numbers"]))}
        parts += numbers.values()
        categories = {}
        for i, size in enumerate(config["categories"].values()):
            categories[f"category_{i}"] = keras.Input((), dtype="int32", name=f"category_{i}")
            own = keras.layers.Embedding(size, config["feature_embedding"], name=f"category_{i}_embedding")
            parts.append(own(categories[f"category_{i}"]))

        x = keras.layers.Concatenate(name="joined")(parts) if len(parts) > 1 else parts[0]
        if config["activation"] == "glu":
            value = keras.layers.Dense(config["hidden"], name="hidden")(x)
            gate = keras.layers.Dense(config["hidden"], "sigmoid", name="gate")(x)
            x = keras.layers.Multiply(name="gated")([value, gate])
        else:
            x = keras.layers.Dense(config["hidden"], config["activation"], name="hidden")(x)
        x = keras.layers.Dropout(config["dropout"], name="dropout")(x)
        if config["normalize"]:
            x = keras.layers.LayerNormalization(name="norm")(x)
        return keras.Model({**tokens, **of_tokens, **numbers, **categories}, x, name="ten_inputs")

    def call(self, inputs: dict[str, tf.Tensor], dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        """Return the hidden vectors, (batch, hidden): see `Encoder`."""
        ids = tf.cast(inputs["input_ids"], tf.int32)
        named = {f"input_{k}": column for k, column in enumerate(reversed(tf.unstack(ids, axis=1)), start=1)}
        if self.of_tokens is not None:
            features = self.of_tokens({name: inputs[name] for name in self.token_features})
            for k, column in enumerate(reversed(tf.unstack(features, axis=1)), start=1):
                named[f"input_{k}_features"] = column
        for i, name in enumerate(self._config["numbers"]):
            named[f"number_{i}"] = tf.cast(inputs[name], tf.float32)[:, tf.newaxis]
        for i, name in enumerate(self._config["categories"]):
            named[f"category_{i}"] = tf.cast(inputs[name], tf.int32)
        return stateless(self.model, named, dropout_seed)
