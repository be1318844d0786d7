"""Configuration keys of the encoder `ten_inputs`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from components.layers.encoders.spec import EncoderSpec


class TenInputsSpec(EncoderSpec):
    """Functional Keras model that sends `context` named inputs through one shared dense layer.

    `input_1` is the latest input.
    """

    layer = "components.layers.encoders.ten_inputs.layer:TenInputs"
    token_features = True

    kind: Literal["ten_inputs"]  # pyright: ignore[reportIncompatibleVariableOverride]
    shared_units: int = Field(default=64, ge=1)
    """Units of the dense layer that all inputs share."""
    shared_activation: Literal["linear", "relu", "gelu", "silu", "tanh"] = "relu"
    """Activation of the shared dense layer."""
    hidden: int = Field(default=128, ge=1)
    """Width of the hidden layer and of each row of the output table."""

    def number_of_weights(self, ids: int) -> int:
        """Estimate the number of weights of the table, the shared layer and the hidden layer."""
        shared = self.embedding * self.shared_units
        return ids * self.embedding + shared + self.hidden_weights(self.context * self.shared_units)
