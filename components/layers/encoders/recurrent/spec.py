"""Configuration keys of the encoder `recurrent`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from components.layers.encoders.spec import EncoderSpec


class RecurrentSpec(EncoderSpec):
    """Encoder that sends every position through one shared dense layer and reads the sequence with a recurrent cell."""

    layer = "components.layers.encoders.recurrent.layer:Recurrent"
    causal = True
    token_features = True
    embeds_label_features = True

    kind: Literal["recurrent"]  # pyright: ignore[reportIncompatibleVariableOverride]
    context: int = Field(default=80, ge=1)
    """K: context length, the number of input ids before the label, in order, with the latest last."""
    embedding: int = Field(default=100, ge=1)
    """Width of the input embedding."""
    projection: int = Field(default=64, ge=1)
    """Units of the dense layer, shared by all positions."""
    cell: Literal["lstm", "gru"] = "lstm"
    """Recurrent cell: `lstm` or `gru`."""
    units: int = Field(default=32, ge=1)
    """Width of the state of the recurrent cell."""
    hidden: int = Field(default=0, ge=0)
    """Width of a hidden layer after the recurrent cell. 0: no hidden layer; the last state and the features are the
    output of the encoder."""

    @property
    def output_width(self) -> int:
        """Width of the hidden layer, or of the state of the cell."""
        return self.hidden or self.units

    def number_of_weights(self, ids: int) -> int:
        """Estimate the number of weights of the table, the dense layer, the cell and the hidden layer."""
        cell = 4 * self.units * (self.units + self.projection)
        return (ids + self.projection) * self.embedding + cell + self.hidden_weights(self.units)
