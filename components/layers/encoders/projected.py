"""Base of the encoders whose token vectors are projected embeddings."""

from __future__ import annotations

from typing import Literal

import keras
import tensorflow as tf

from components.layers.encoders.base import Encoder, glorot


class ProjectedEncoder(Encoder):
    """Encoder whose token vectors are E[id] W, with one matrix W without bias; or E[id], without W.

    A tied output layer applies W to the classes too.

    Attributes:
        projection: Layer with W; None without W.
    """

    projection: keras.layers.Dense | None

    def add_projection(self, projection: int | Literal["none"]) -> None:
        """Create the layer of W, without its variables.

        Args:
            projection: Width of W. "none": no W.
        """
        self.projection = None
        if projection != "none":
            self.projection = keras.layers.Dense(
                projection, use_bias=False, kernel_initializer=glorot(self._config["seed"] + 2), name="projection"
            )

    @property
    def token_width(self) -> int:
        """Width of a projected embedding."""
        return self._config["embedding"] if self.projection is None else self._config["projection"]

    def as_token_vectors(self, embeddings: tf.Tensor) -> tf.Tensor:
        """Return the (..., token_width) token vectors of (..., embedding) embeddings."""
        return self.projected(embeddings)

    def first_token_vectors(self, count: int) -> tf.Tensor:
        """Return the token vectors of the ids 0 to count - 1, (count, token_width) float32."""
        return self.projected(super().first_token_vectors(count))

    def projected(self, embeddings: tf.Tensor) -> tf.Tensor:
        """Return the (..., token_width) token vectors of (..., embedding) embeddings."""
        return embeddings if self.projection is None else self.projection(embeddings)
