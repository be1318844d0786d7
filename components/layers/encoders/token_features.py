"""Layer that makes one vector of the features of each token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from components.layers.optimization.gradients import gather_rows
from components.names import name_of, short


@keras.saving.register_keras_serializable("bigvocab")
class TokenFeatures(keras.layers.Layer):
    """Layer that joins the features of each token to one vector.

        f = [number_1 ... number_n, T_1[category_1] ... T_m[category_m]]

    Args:
        numbers: Names of the number features.
        categories: Names of the category features, each with its number of ids.
        embedding: Width of the table T of each category feature.
        seed: Seed of the weights.

    Attributes:
        names: Names of all features.
        categories: Layers with the tables, by name.
        width: Width of f.
    """

    def __init__(
        self, numbers: tuple[str, ...], categories: Mapping[str, int], embedding: int, seed: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self._config = {"numbers": tuple(numbers), "categories": dict(categories), "embedding": embedding, "seed": seed}
        self.names = (*numbers, *categories)
        self.width = len(numbers) + len(categories) * embedding
        self.categories = {
            name: keras.layers.Embedding(
                size,
                embedding,
                keras.initializers.RandomUniform(-0.05, 0.05, seed=seed + i),
                name=f"category_{short(name_of(name))}",
            )
            for i, (name, size) in enumerate(categories.items())
        }

    def build(self, input_shape: Any = None) -> None:
        """Create the tables."""
        for layer in self.categories.values():
            layer.build((None,))
        self.built = True

    def call(self, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Return the vectors of tokens, (..., width) float32.

        Args:
            inputs: Features by name, all of the same shape (...).
        """
        parts = [tf.cast(inputs[name], tf.float32)[..., tf.newaxis] for name in self._config["numbers"]]
        parts += [
            gather_rows(layer.embeddings, tf.cast(inputs[name], tf.int32)) for name, layer in self.categories.items()
        ]
        return tf.concat(parts, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {**super().get_config(), **self._config}
