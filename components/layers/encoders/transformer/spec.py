"""Configuration keys of the encoder `transformer`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from components.layers.encoders.spec import EncoderSpec


class TransformerSpec(EncoderSpec):
    """Encoder that reads the sequence with causal self-attention."""

    layer = "components.layers.encoders.transformer.layer:Transformer"
    causal = True
    token_features = True
    embeds_label_features = True

    kind: Literal["transformer"]  # pyright: ignore[reportIncompatibleVariableOverride]
    context: int = Field(default=128, ge=1)
    """K: context length, the number of input ids before the label, in order, with the latest last."""
    embedding: int = Field(default=128, ge=1)
    """Width of the input embedding and of all blocks; `num_heads` must divide it."""
    num_blocks: int = Field(default=2, ge=1)
    """Number of blocks, each of an attention layer and a feedforward layer."""
    num_heads: int = Field(default=4, ge=1)
    """Attention heads of each block."""
    feedforward: int = Field(default=512, ge=1)
    """Units of the feedforward layer of each block."""
    positions: Literal["rotary", "learned"] = "rotary"
    """`rotary`: attention depends on the distance between two positions, by rotations of queries and keys; the width
    of a head must be even. `learned`: each position of a row or cut has its own vector, added to the embedding."""
    window: int | None = Field(default=None, ge=1)
    """Number of latest positions to which a position attends, itself included. None: all positions before it."""
    block_dropout: float = Field(default=0.1, ge=0, lt=1)
    """Dropout rate of the embedding, and of the output of each attention and feedforward layer, in training."""

    @model_validator(mode="after")
    def _heads_fit(self) -> Self:
        width, rest = divmod(self.embedding, self.num_heads)
        if rest:
            raise ValueError(f"embedding: {self.embedding} is not divisible by num_heads ({self.num_heads})")
        if self.positions == "rotary" and width % 2:
            raise ValueError(
                f"positions: 'rotary' requires heads of even width, and embedding / num_heads is {width}; change "
                "num_heads, or use 'learned'"
            )
        return self

    def number_of_weights(self, ids: int) -> int:
        """Estimate the number of weights of the table, the blocks and the hidden layer."""
        block = 4 * self.embedding**2 + 2 * self.embedding * self.feedforward
        return ids * self.embedding + self.num_blocks * block + self.hidden_weights(self.embedding)
