"""Configuration keys of the encoder `session`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from components.layers.encoders.spec import ItemsSpec


class SessionSpec(ItemsSpec):
    """Encoder for rows of items, such as the clicks of a session, with attention over all items.

    The latest item is the query of the attention. The encoder is designed for `tie: true` and
    `trainer.head.similarity: cosine`.
    """

    layer = "components.layers.encoders.session.layer:Session"
    token_features = True
    embeds_label_features = True

    kind: Literal["session"]  # pyright: ignore[reportIncompatibleVariableOverride]
    context: int = Field(default=50, ge=1)
    """K: context length, the number of input ids before the label, in order, with the latest last."""
