"""Configuration keys of the encoder `basket`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from components.layers.encoders.spec import ItemsSpec


class BasketSpec(ItemsSpec):
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

    def number_of_weights(self, ids: int) -> int:
        """Estimate the number of weights, with a bias for each token."""
        return super().number_of_weights(ids) + ids
