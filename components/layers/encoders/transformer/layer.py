"""Keras layer of the encoder `transformer`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import keras
import tensorflow as tf

from components.layers.encoders.base import Encoder, dropped, glorot, uniform
from components.layers.encoders.transformer.block import DRAWS, Block

# Number of the first dropout draw. `Encoder.join` uses a smaller number.
_FIRST_DRAW = 10


@keras.saving.register_keras_serializable("bigvocab")
class Transformer(Encoder):
    """Encoder that embeds the ids and applies blocks of causal attention.

        x_t = sqrt(width) E[id_t]  (+ f_t V)       V with token features f_t, which it maps to the width of E
                                   (+ P[t])        P with `positions: learned`; t from the start of the row or cut
        x   = block(... block(x))                  see `Block`; rotary positions rotate its queries and keys
        s   = norm(x)
        x   = [s_t, numbers, categories]

    `Encoder` computes h from x. The factor compensates for the small initial values of E.

    Sources: Vaswani et al., "Attention Is All You Need" (2017), section 3.4, for the factor; Xiong et al., "On Layer
    Normalization in the Transformer Architecture" (2020), for the last norm after blocks with the norm before each
    layer.

    Args:
        num_blocks: Number of blocks.
        num_heads: Number of heads of each block.
        feedforward: Number of units of the feedforward layer of each block.
        positions: "rotary" or "learned".
        window: Number of latest positions that a position attends to, including itself; None for all.
        block_dropout: Share of the values to drop in the blocks and after the embedding, in training.
        common: Arguments of `Encoder`.
    """

    def __init__(
        self,
        *,
        num_blocks: int,
        num_heads: int,
        feedforward: int,
        positions: Literal["rotary", "learned"] = "rotary",
        window: int | None = None,
        block_dropout: float = 0.0,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self._config |= {
            "num_blocks": num_blocks, "num_heads": num_heads, "feedforward": feedforward, "positions": positions,
            "window": window, "block_dropout": block_dropout,
        }  # fmt: skip
        self.add_layers()
        seed = self._config["seed"]
        self.blocks = [
            Block(
                width=self._config["embedding"],
                num_heads=num_heads,
                feedforward=feedforward,
                rotary=positions == "rotary",
                window=window,
                dropout=block_dropout,
                seed=seed + 100 + 10 * i,
                name=f"block_{i}",
            )
            for i in range(num_blocks)
        ]
        self.from_tokens = None
        if self.token_features:
            self.from_tokens = keras.layers.Dense(
                self._config["embedding"], use_bias=False, kernel_initializer=glorot(seed + 6), name="from_tokens"
            )
        self.last_norm = keras.layers.LayerNormalization(epsilon=1e-5, name="last_norm")

    @property
    def shared_variables(self) -> list[keras.Variable]:
        """Weights of the blocks, of the last norm, and of V."""
        layers = [*self.blocks, self.last_norm, *([self.from_tokens] if self.from_tokens else [])]
        return [variable for layer in layers for variable in layer.trainable_variables]

    def build(self, input_shape: dict[str, tuple[int | None, ...]]) -> None:
        """Create the variables for K ids, the size of the last axis of `input_ids`."""
        context, width = input_shape["input_ids"][-1], self._config["embedding"]
        self.embedding.build((None, context))
        if self._config["positions"] == "learned":
            self.places = self.add_weight(
                shape=(context, width), initializer=uniform(self._config["seed"] + 5), name="places"
            )
        if self.from_tokens is not None:
            self.from_tokens.build((None, context, self.token_features_width))
        for block in self.blocks:
            block.build((None, context, width))
        self.last_norm.build((None, context, width))
        self.build_join(width)
        self.built = True

    def call(self, inputs: dict[str, tf.Tensor], dropout_seed: tf.Tensor | None = None) -> tf.Tensor:
        """Return the hidden vectors, (batch, width): see `Encoder`."""
        ids = tf.cast(inputs["input_ids"], tf.int32)
        length = tf.reduce_sum(tf.cast(ids != self.padding, tf.int32), axis=1)
        # Moves the padding to the right, where causal attention needs no mask for it.
        steps = tf.range(tf.shape(ids)[1])
        turned = (steps - length[:, tf.newaxis]) % tf.shape(ids)[1]
        moved = tf.gather(ids, turned, batch_dims=1)
        of_tokens = {name: tf.gather(inputs[name], turned, batch_dims=1) for name in self.token_features}
        last = tf.stack([tf.range(tf.shape(ids)[0]), tf.maximum(length - 1, 0)], axis=1)
        moved_inputs = {**inputs, **of_tokens, "input_ids": tf.ensure_shape(moved, ids.shape)}
        return self.encode(moved_inputs, last, dropout_seed)

    def states(
        self,
        ids: tf.Tensor,
        dropout_seed: tf.Tensor | None = None,
        token_features: Mapping[str, tf.Tensor] | None = None,
    ) -> tf.Tensor:
        """Return the vector at each position, (rows, L, embedding): see `Encoder`."""
        config = self._config
        x = self.embeddings(ids, dropout_seed) * config["embedding"] ** 0.5
        if self.of_tokens is not None and self.from_tokens is not None:
            x += self.from_tokens(self.of_tokens(dict(token_features or {})))
        if config["positions"] == "learned":
            x += self.places[: tf.shape(ids)[1]]
        x = dropped(x, config["block_dropout"], dropout_seed, _FIRST_DRAW)
        for i, block in enumerate(self.blocks):
            x = block(x, dropout_seed=dropout_seed, number=_FIRST_DRAW + 1 + DRAWS * i)
        return self.last_norm(x)
