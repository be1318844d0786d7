"""Configuration keys that all encoders share.

Each encoder has a folder with two files: `spec.py` defines the keys and `layer.py` the Keras layer. The files are
separate because reading a configuration must be fast, and importing Keras takes seconds.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from components.extensions import is_path, source_modules
from components.spec import Spec

Activation = Literal["glu", "linear", "relu", "gelu", "silu", "tanh"]


class EncoderSpec(Spec):
    """Keys that every kind of encoder has.

    The key `context` configures the data and `tie` the output layer; all other keys are arguments of the layer. For an
    encoder of your own, derive the specification from this class and the layer from
    `components.layers.encoders.base.Encoder`.
    """

    not_of_layer: ClassVar[set[str]] = {"kind", "context", "tie"}
    """Keys that are not arguments of the layer."""

    layer: ClassVar[str] = ""
    """Path of the layer, as `package.module:Name`. Empty for a user-defined encoder, whose kind is the path."""

    causal: ClassVar[bool] = False
    """True if the layer implements `states`, which processes a row once for all labels of the row."""

    token_features: ClassVar[bool] = False
    """True if the layer joins the features of the tokens with their embeddings: see `Encoder.embedded`."""

    baskets: ClassVar[bool] = False
    """True if the layer needs the age of the basket of each token (`data.baskets`)."""

    embeds_label_features: ClassVar[bool] = False
    """True if the layer embeds its inputs only by `Encoder.embedded` or `Encoder.embeddings`, which add the features of
    labels (`labels`)."""

    kind: str
    context: int = Field(default=10, ge=1)
    """K: context length, the number of input ids before the label, in order, with the latest last."""
    tie: bool = False
    """Use the vectors of the input tokens as the class vectors, so that ONE table serves inputs and classes. It needs
    `vocabulary.shared`, which it switches on. `hidden` is then as wide as a token vector, which is its default."""
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
    def output_width(self) -> int:
        """Width of the output of the layer, without the features if `hidden` is 0."""
        return self.hidden or self.token_width

    @property
    def constant_bytes(self) -> int:
        """Estimated size of the tables of the layer that training does not change, in bytes."""
        return 0

    def number_of_weights(self, ids: int) -> int:
        """Estimate the number of weights of the layer, without those of the features.

        Args:
            ids: Number of input ids.
        """
        return ids * self.embedding + self.hidden_weights(self.context * self.token_width)

    def hidden_weights(self, joined: int) -> int:
        """Return the number of weights of the hidden layer on vectors of width `joined`."""
        return joined * self.hidden * (2 if self.activation == "glu" else 1)

    @property
    def token_width(self) -> int:
        """Width of a token vector, as `token_vectors` of the layer returns it."""
        return self.embedding

    @model_validator(mode="before")
    @classmethod
    def _tied_width(cls, tree: Any) -> Any:
        """Set `hidden` to the width of a token vector if the class vectors are tied and `hidden` is not set."""
        return cls.with_token_width(tree) if isinstance(tree, dict) and tree.get("tie") is True else tree

    @classmethod
    def with_token_width(cls, tree: Any) -> Any:
        """Return the keys of an encoder, with `hidden` set to the width of a token vector if it is not set."""
        if not isinstance(tree, dict) or "hidden" in tree:
            return tree
        try:
            return {**tree, "hidden": cls.model_validate({**tree, "tie": False, "hidden": 1}).token_width}
        except ValueError:  # The validation of all keys reports the errors.
            return tree

    @model_validator(mode="after")
    def _tied_vectors_fit(self) -> Self:
        if self.tie and self.hidden != self.token_width:
            raise ValueError(
                f"tie: the class vectors are the token vectors, of width {self.token_width}, so 'hidden' must be "
                f"{self.token_width} and not {self.hidden}"
            )
        return self

    @property
    def source_modules(self) -> tuple[str, ...]:
        """User modules that implement the encoder."""
        return source_modules(self.kind)

    @property
    def layer_path(self) -> str:
        """Path of the layer, as `package.module:Name`."""
        return self.kind if is_path(self.kind) else self.layer


class ItemsSpec(EncoderSpec):
    """Keys of the encoders of items with attention, `session` and `basket`."""

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
        return ids * self.embedding + self.embedding * self.token_width + self.hidden_weights(2 * self.token_width)
