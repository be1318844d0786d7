"""Block of a causal transformer, and rotary position encoding."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from components.layers.encoders.base import dropped, glorot

# Base of the geometric sequence of the angles, as in the papers.
_BASE = 10_000.0
# Logit of a position that is not visible to another. Finite, so that no row of logits gives NaN.
_HIDDEN = -1e9
# Number of dropout draws in a block.
DRAWS = 2


def rotated(vectors: tf.Tensor) -> tf.Tensor:
    """Rotate the vector at each position by angles in proportion to the position.

    The halves of a vector v of width n are the coordinates of n / 2 planes. At position t, plane i is rotated by
    t * 10,000^(-2 i / n). The inner product of two rotated vectors then depends on their distance alone. Source: Su et
    al., "RoFormer: Enhanced Transformer with Rotary Position Embedding" (2021), section 3.2.2, with the coordinates of
    a plane n / 2 apart.

    Args:
        vectors: (..., L, n) float32, with an even n.
    """
    half = vectors.shape[-1] // 2
    angles = tf.range(tf.shape(vectors)[-2], dtype=tf.float32)[:, tf.newaxis] * tf.constant(
        [_BASE ** (-i / half) for i in range(half)], tf.float32
    )
    cosines, sines = tf.cos(angles), tf.sin(angles)
    a, b = vectors[..., :half], vectors[..., half:]
    return tf.concat([a * cosines - b * sines, a * sines + b * cosines], axis=-1)


def visible(length: tf.Tensor, window: int | None) -> tf.Tensor:
    """Return the mask of the positions that each position attends to, (L, L) bool: itself and those before it.

    Args:
        length: L.
        window: Number of latest positions to attend to, including the position itself; None for all.
    """
    steps = tf.range(length)
    distance = steps[:, tf.newaxis] - steps
    seen = distance >= 0
    return seen if window is None else seen & (distance < window)


@keras.saving.register_keras_serializable("bigvocab")
class Block(keras.layers.Layer):
    """Transformer block with the norm before each layer.

        y = x + drop(attention(norm(x)))            softmax(q k^T / sqrt(n)) v in each head, over visible positions
        z = y + drop(gelu(norm(y) U + c) V + d)

    Sources: Vaswani et al., "Attention Is All You Need" (2017), for the layers; Xiong et al., "On Layer Normalization
    in the Transformer Architecture" (2020), for the place of the norm.

    Args:
        width: Width of x.
        num_heads: Number of heads, which must divide the width. Each head has the width n.
        feedforward: Width of U.
        rotary: True to rotate queries and keys by their positions.
        window: Number of latest positions that a position attends to, including itself; None for all.
        dropout: Share of the values to drop in training.
        seed: Seed of the weights.
    """

    def __init__(
        self,
        *,
        width: int,
        num_heads: int,
        feedforward: int,
        rotary: bool,
        window: int | None,
        dropout: float,
        seed: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._config: dict[str, Any] = {
            "width": width, "num_heads": num_heads, "feedforward": feedforward, "rotary": rotary, "window": window,
            "dropout": dropout, "seed": seed,
        }  # fmt: skip
        dense, norm = keras.layers.Dense, keras.layers.LayerNormalization
        self.attention_norm = norm(epsilon=1e-5, name="attention_norm")
        self.queries_keys_values = dense(
            3 * width, use_bias=False, kernel_initializer=glorot(seed), name="queries_keys_values"
        )
        self.attended = dense(width, kernel_initializer=glorot(seed + 1), name="attended")
        self.feedforward_norm = norm(epsilon=1e-5, name="feedforward_norm")
        self.inner = dense(feedforward, kernel_initializer=glorot(seed + 2), name="inner")
        self.outer = dense(width, kernel_initializer=glorot(seed + 3), name="outer")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the variables."""
        width, inner = self._config["width"], self._config["feedforward"]
        for layer in (self.attention_norm, self.queries_keys_values, self.attended, self.feedforward_norm, self.inner):
            layer.build((None, None, width))
        self.outer.build((None, None, inner))
        self.built = True

    def call(self, x: tf.Tensor, dropout_seed: tf.Tensor | None = None, number: int = 0) -> tf.Tensor:
        """Return the vectors of all positions after the block, (rows, L, width) float32.

        Args:
            x: (rows, L, width) float32 vectors of all positions.
            dropout_seed: (2,) int32 in training; None otherwise.
            number: Number of the first of the `DRAWS` draws with this seed.
        """
        rate = self._config["dropout"]
        x += dropped(self._attend(self.attention_norm(x)), rate, dropout_seed, number)
        inner = tf.nn.gelu(self.inner(self.feedforward_norm(x)), approximate=True)
        return x + dropped(self.outer(inner), rate, dropout_seed, number + 1)

    def _attend(self, x: tf.Tensor) -> tf.Tensor:
        width, heads = self._config["width"], self._config["num_heads"]
        shape = tf.shape(x)
        split = tf.reshape(self.queries_keys_values(x), [shape[0], shape[1], 3, heads, width // heads])
        queries, keys, values = tf.unstack(tf.transpose(split, [2, 0, 3, 1, 4]))
        if self._config["rotary"]:
            queries, keys = rotated(queries), rotated(keys)
        logits = tf.matmul(queries * (width // heads) ** -0.5, keys, transpose_b=True)
        logits += tf.where(visible(shape[1], self._config["window"]), 0.0, _HIDDEN)
        joined = tf.transpose(tf.matmul(tf.nn.softmax(logits), values), [0, 2, 1, 3])
        return self.attended(tf.reshape(joined, [shape[0], shape[1], width]))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the block."""
        return {**super().get_config(), **self._config}
