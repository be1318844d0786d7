"""Base of the encoders whose token vectors are projected embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import keras
import tensorflow as tf

from components.layers.encoders.base import Encoder, glorot


class ProjectedEncoder(Encoder):
    """Encoder whose token vectors are E[id] W, with one matrix W without bias; or E[id], without W.

    With token features f, the vectors of the inputs are [E[id], f] W; or [E[id], f], without W. A tied output layer
    applies W to the classes too, which have no such features: f = 0.

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

    @property
    def input_width(self) -> int:
        """Width of the vector of an input: of a token vector and, without W, of its token features."""
        return self.token_width + (self.token_features_width if self.projection is None else 0)

    def input_vectors(
        self, ids: tf.Tensor, inputs: Mapping[str, tf.Tensor], seed: tf.Tensor | None = None
    ) -> tf.Tensor:
        """Return the vectors of inputs, the token vectors with the token features: (..., input_width) float32.

        Args:
            ids: Integers of any shape.
            inputs: Token features by name, each of the same shape.
            seed: (2,) int32 in training; None otherwise.
        """
        if self.projection is None:
            return self.with_token_features(self.seeded_token_vectors(ids, seed), inputs)
        return self.projected(self.embedded(ids, inputs, seed))

    def projected(self, embeddings: tf.Tensor) -> tf.Tensor:
        """Return the projections of embeddings, with or without token features.

        Args:
            embeddings: (..., embedding) embeddings, or (..., embedded_width) embeddings with token features.

        Returns:
            (..., token_width) vectors; without W, the embeddings.
        """
        if self.projection is None:
            return embeddings
        if embeddings.shape[-1] != self.embedded_width:
            return keras.ops.matmul(embeddings, self.projection.kernel[: self._config["embedding"]])
        return self.projection(embeddings)
