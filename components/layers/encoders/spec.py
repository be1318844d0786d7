"""Configuration keys that all encoders share.

Each encoder has a folder: `spec.py` has its keys, `layer.py` its Keras layer. They are two files, because reading a
configuration must be fast, and importing Keras takes seconds.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from components.extensions import is_path, source_modules
from components.spec import Spec

Activation = Literal["glu", "relu", "gelu", "silu", "tanh"]


class EncoderSpec(Spec):
    """Keys that every kind of encoder has.

    The key `context` configures the data; all other keys are arguments of the layer. For an encoder of your own, derive
    the specification from this class and the layer from `components.layers.encoders.base.Encoder`.
    """

    layer: ClassVar[str] = ""
    """Path of the layer, as `package.module:Name`. Empty for a user-defined encoder, whose kind is the path."""

    causal: ClassVar[bool] = False
    """True if the layer implements `states`, by which it processes a row once for all labels of the row."""

    kind: str
    context: int = Field(default=10, ge=1)
    """K: context length, the number of input ids before the label, in order, with the latest last."""
    embedding: int = Field(default=50, ge=1)
    """Width of the input embedding."""
    feature_embedding: int = Field(default=8, ge=1)
    """Width of the embedding of each category feature."""
    activation: Activation = "glu"
    """Activation of the hidden layer. `glu` multiplies the layer by a sigmoid gate with separate weights."""
    normalize: bool = True
    """Apply layer normalization to the hidden layer."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Dropout rate of the hidden layer in training."""
    hidden: int = Field(default=128, ge=0)
    """Width of the hidden layer and of each row of the output table. 0: no hidden layer; the joined inputs and features
    are the output of the encoder."""

    @property
    def source_modules(self) -> tuple[str, ...]:
        """User modules that implement the encoder."""
        return source_modules(self.kind)

    @property
    def layer_path(self) -> str:
        """Path of the layer, as `package.module:Name`."""
        return self.kind if is_path(self.kind) else self.layer
