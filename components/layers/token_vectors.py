"""Vectors of input tokens that an output layer uses as the vectors of its classes."""

from __future__ import annotations

from typing import Protocol

import tensorflow as tf


class TokenVectors(Protocol):
    """Vectors of input tokens, which a `SampledSoftmax` can use as the vectors of its classes.

    Class i is the token with the id i.
    """

    @property
    def token_width(self) -> int:
        """Width of a vector."""
        ...

    def token_vectors(self, ids: tf.Tensor) -> tf.Tensor:
        """Return the vectors of (n,) ids, (n, token_width) float32, without reading the rest of the table."""
        ...

    def first_token_vectors(self, count: int) -> tf.Tensor:
        """Return the vectors of the first `count` ids, (count, token_width) float32."""
        ...


class FeaturedTokenVectors(TokenVectors, Protocol):
    """Vectors of input tokens that depend on features of the tokens: see `label_features`."""

    def seeded_token_vectors(self, ids: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
        """Return `token_vectors` in training, with the draws of the own dropout; seed is (2,) int32."""
        ...

    def as_token_vectors(self, embeddings: tf.Tensor) -> tf.Tensor:
        """Return the (..., token_width) token vectors of (..., embedding) embeddings."""
        ...
