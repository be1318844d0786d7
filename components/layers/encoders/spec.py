"""Encoders that a configuration can choose, each with its keys, and the path of its layer.

The layers lie in files of their own: importing Keras takes seconds, and reading a configuration must not.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, field_validator

from components.extensions import Kinds, is_path, resolve_class, source_modules
from components.spec import Spec

Activation = Literal["glu", "relu", "gelu", "silu", "tanh"]


class EncoderSpec(Spec):
    """Keys of every kind of encoder.

    The key `context` goes to the data; all others are arguments of the layer. An encoder of a user's own derives its
    specification from this class, and its layer from `components.layers.encoders.base.Encoder`.
    """

    layer: ClassVar[str] = ""
    """Path of the layer, as `package.module:Name`; empty for an encoder of a user's own, whose kind is the path."""

    kind: str
    context: int = Field(default=10, ge=1)
    """K: how many input ids stand before the label, the latest last."""
    embedding: int = Field(default=50, ge=1)
    """Width of the input embedding."""
    feature_embedding: int = Field(default=8, ge=1)
    """Width of the embedding of each category feature."""
    activation: Activation = "glu"
    """Of the hidden layer; `glu` multiplies it with a sigmoid gate that has weights of its own."""
    normalize: bool = True
    """Layer normalization of the hidden layer."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Share of the hidden layer that is dropped in training."""
    hidden: int = Field(default=128, ge=0)
    """Width of the hidden layer, and of a row of the output table. 0: none, the vector of the inputs is the vector."""

    @property
    def source_modules(self) -> tuple[str, ...]:
        """The user's own modules that the encoder is made by."""
        return source_modules(self.kind)


class SharedProjectionSpec(EncoderSpec):
    """Every position through one matrix, the latest kept in order, all of them pooled: the default."""

    layer = "components.layers.encoders.shared_projection:SharedProjection"

    kind: Literal["shared_projection"] = "shared_projection"  # pyright: ignore[reportIncompatibleVariableOverride]
    context: int = Field(default=64, ge=1)
    """K: how many input ids stand before the label, the latest last."""
    ordered: int = Field(default=10, ge=1)
    """How many of the latest ids are kept in order; not more than there are."""
    heads: int = Field(default=4, ge=0)
    """How many weighted means of all K ids are made, by attention. 0: none, only the ordered ids count."""
    ngrams: int = Field(default=4, ge=1)
    """The last 2, 3, ... up to so many ids together have a vector too, as wide as the hidden layer. 1: none."""
    frequent_ngrams: int = Field(default=131_072, ge=1)
    """How many of these n-grams, the most frequent, have a vector of their own. All others share one."""
    ngram_dropout: float = Field(default=0.5, ge=0, lt=1)
    """Share of the n-grams that is dropped in training."""
    ngram_rate: float = Field(default=0.6, gt=0)
    """Learning rate of the n-grams, relative to the other weights'."""
    projection: int = Field(default=128, ge=1)
    """Width of the projection W (embedding x projection, no bias), shared by all positions and examples."""
    hidden: int = Field(default=128, ge=1)
    """Width of the hidden layer, and of a row of the output table."""
    input_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Share of the projected inputs that is dropped in training."""


class TenInputsSpec(EncoderSpec):
    """A functional Keras model with `context` named inputs, `input_1` the latest, through one dense layer."""

    layer = "components.layers.encoders.ten_inputs:TenInputs"

    kind: Literal["ten_inputs"]  # pyright: ignore[reportIncompatibleVariableOverride]
    shared: int = Field(default=64, ge=1)
    """Units of the dense layer that every input is sent through."""
    shared_activation: Literal["linear", "relu", "gelu", "silu", "tanh"] = "relu"
    """Of that layer."""
    hidden: int = Field(default=128, ge=1)
    """Width of the hidden layer, and of a row of the output table."""


class SharedSubmodelSpec(EncoderSpec):
    """A model of your own, made once and applied to every input."""

    layer = "components.layers.encoders.shared_submodel:SharedSubmodel"

    kind: Literal["shared_submodel"]  # pyright: ignore[reportIncompatibleVariableOverride]
    submodel: str | list[dict[str, dict[str, Any]]] = [
        {"Dense": {"units": 64, "activation": "relu"}},
        {"LayerNormalization": {}},
    ]
    """Layers of `keras.layers` by name, each with its arguments; or `package.module:function`, which takes the width
    of the embedding and gives a new Keras layer or model, of (n, embedding) to (n, any width)."""
    join: Literal["concat", "mean", "max", "sum"] = "concat"
    """What becomes of the inputs' vectors: kept in order, or pooled, padding left out."""
    hidden: int = Field(default=128, ge=1)
    """Width of the hidden layer, and of a row of the output table."""

    @field_validator("submodel", mode="before")
    @classmethod
    def _submodel_can_be_made(cls, value: Any, info: Any) -> Any:
        # Keras is imported only for this kind: it takes seconds.
        from components.layers.encoders.submodel import checked

        return checked(value, info.data.get("embedding", 1))

    @property
    def source_modules(self) -> tuple[str, ...]:
        return source_modules(self.submodel) if isinstance(self.submodel, str) else ()


class RecurrentSpec(EncoderSpec):
    """Every position through one dense layer, then a recurrent cell over the sequence."""

    layer = "components.layers.encoders.recurrent:Recurrent"

    kind: Literal["recurrent"]  # pyright: ignore[reportIncompatibleVariableOverride]
    context: int = Field(default=80, ge=1)
    """K: how many input ids stand before the label, the latest last."""
    embedding: int = Field(default=100, ge=1)
    """Width of the input embedding."""
    projection: int = Field(default=64, ge=1)
    """Units of the dense layer at each step."""
    cell: Literal["lstm", "gru"] = "lstm"
    units: int = Field(default=32, ge=1)
    """Width of the cell's state."""
    hidden: int = Field(default=0, ge=0)
    """Width of a hidden layer after the recurrence. 0: none, the last state and the features are the vector."""


def layer_of(spec: EncoderSpec) -> str:
    """Return the path of the layer of an encoder."""
    return spec.kind if is_path(spec.kind) else spec.layer


def _spec_at(path: str) -> type[EncoderSpec]:
    """Return the specification of an encoder of a user's own."""
    from components.layers.encoders.base import Encoder

    spec = resolve_class(path, Encoder).Spec
    if spec is None or not issubclass(spec, EncoderSpec):
        raise ValueError(f"{path.partition(':')[2]}.Spec is not derived from {EncoderSpec.__module__}.EncoderSpec")
    return spec


_OWN: dict[str, type[EncoderSpec]] = {
    get_args(spec.model_fields["kind"].annotation)[0]: spec
    for spec in (SharedProjectionSpec, TenInputsSpec, SharedSubmodelSpec, RecurrentSpec)
}
ModelSpec = Annotated[EncoderSpec, Kinds(EncoderSpec, _OWN, _spec_at, default="shared_projection")]
"""The encoder of a configuration: a kind of BigVocab's, or a user's own by its path."""
