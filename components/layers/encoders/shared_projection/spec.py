"""Configuration keys of the encoder `shared_projection`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from components.layers.encoders.spec import EncoderSpec


class SharedProjectionSpec(EncoderSpec):
    """Encoder that projects every position with one shared matrix. The default.

    It keeps the latest positions in order, and pools all positions.
    """

    layer = "components.layers.encoders.shared_projection.layer:SharedProjection"
    token_features = True
    embeds_label_features = True

    kind: Literal["shared_projection"] = "shared_projection"  # pyright: ignore[reportIncompatibleVariableOverride]
    context: int = Field(default=64, ge=1)
    """K: context length, the number of input ids before the label, in order, with the latest last."""
    ordered_ids: int = Field(default=10, ge=1)
    """Number of latest ids whose projections are kept in order; at most `context`."""
    num_heads: int = Field(default=4, ge=0)
    """Number of attention heads; each makes one weighted mean of all K ids. 0: no pooling, so only the ordered ids are
    used."""
    ngrams: int = Field(default=4, ge=1)
    """Number of ids in the longest n-gram. The last 2 ids, the last 3 ids, and so on up to this number, each have an
    additional vector as wide as the hidden layer. 1: no n-grams."""
    frequent_ngrams: int = Field(default=131_072, ge=1)
    """Number of most frequent n-grams that have their own vector. All other n-grams share one vector."""
    ngram_dropout: float = Field(default=0.5, ge=0, lt=1)
    """Dropout rate of whole n-grams in training; it limits overfitting."""
    ngram_learning_rate_multiplier: float = Field(default=0.6, gt=0)
    """Learning rate of the n-gram vectors, relative to the other weights. A value below 1 limits overfitting."""
    projection: Annotated[int, Field(ge=1)] | Literal["none"] = 128
    """Width of the projection matrix W, (embedding, projection) without bias, shared by all positions and examples.
    `none`: no matrix; the embeddings are the token vectors."""
    hidden: int = Field(default=128, ge=1)
    """Width of the hidden layer and of each row of the output table."""
    input_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout rate of the projected inputs in training."""

    @property
    def token_width(self) -> int:
        """Width of a projected embedding."""
        return self.embedding if self.projection == "none" else self.projection

    @property
    def constant_bytes(self) -> int:
        """Size of the keys and places of the frequent n-grams: two integers of 64 bits for each."""
        return 16 * self.frequent_ngrams if self.ngrams > 1 else 0

    def number_of_weights(self, ids: int) -> int:
        """Estimate the number of weights, above all those of the table of n-grams."""
        joined = (min(self.ordered_ids, self.context) + self.num_heads) * self.token_width
        ngrams = (self.frequent_ngrams + 1) * self.hidden if self.ngrams > 1 else 0
        return ids * self.embedding + self.embedding * self.token_width + self.hidden_weights(joined) + ngrams
