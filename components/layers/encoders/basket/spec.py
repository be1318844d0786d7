"""Configuration keys of the encoder `basket`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from components.layers.encoders.spec import Activation, EncoderSpec


class BasketSpec(EncoderSpec):
    """Encoder for rows of baskets, such as the purchases of a customer, with attention by the age of the basket.

    The order of the tokens within a basket does not matter. The encoder is designed for `tie: true` and
    `trainer.head.similarity: cosine`.
    """

    layer = "components.layers.encoders.basket.layer:Basket"
    token_features = True
    baskets = True

    kind: Literal["basket"]  # pyright: ignore[reportIncompatibleVariableOverride]
    context: int = Field(default=128, ge=1)
    """K: context length, the number of input ids before the label, in order of the baskets, with the latest last."""
    ages: int = Field(default=50, ge=1)
    """Number of baskets whose age the encoder distinguishes. Older baskets count as the oldest of them."""
    embedding: int = Field(default=128, ge=1)
    """Width of the input embedding."""
    projection: Annotated[int, Field(ge=1)] | Literal["none"] = "none"
    """Width of the projection matrix W, (embedding, projection) without bias, shared by all positions and examples.
    `none`: no matrix; the embeddings are the token vectors."""
    unit_length: bool = True
    """Divide each token vector by its length, so that frequent items do not outweigh rare ones."""
    input_dropout: float = Field(default=0.2, ge=0, lt=1)
    """Dropout rate of the token vectors in training."""
    hidden: int = Field(default=128, ge=0)
    """Width of the output of the encoder and of each class vector. The default is the width of a token vector. 0: no
    layer after the attention; the joined vectors and features are the output."""
    activation: Activation = "linear"
    """Activation of the output. `glu` multiplies the layer by a sigmoid gate with separate weights."""
    normalize: bool = False
    """Apply layer normalization to the output."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout rate of the output in training."""

    @property
    def token_width(self) -> int:
        """Width of a token vector."""
        return self.embedding if self.projection == "none" else self.projection

    @model_validator(mode="before")
    @classmethod
    def _width(cls, tree: Any) -> Any:
        """Set `hidden` to the width of a token vector if it is not set."""
        return cls.with_token_width(tree)

    def number_of_weights(self, ids: int) -> int:
        """Estimate the number of weights of the table, the projection and the output layer."""
        return (
            ids * (self.embedding + 1) + self.embedding * self.token_width + self.hidden_weights(2 * self.token_width)
        )
