"""Configuration of the encoders: the keys of each kind and the path of its layer.

The layers are in separate files, because importing Keras takes seconds and reading a configuration must be fast.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, field_validator

from components.extensions import Kinds, is_path, resolve_class, source_modules
from components.spec import Spec

Activation = Literal["glu", "relu", "gelu", "silu", "tanh"]


class EncoderSpec(Spec):
    """Keys that every kind of encoder has.

    The key `context` configures the data; all other keys are arguments of the layer. For an encoder of your own, derive
    the specification from this class and the layer from `components.layers.encoders.base.Encoder`.
    """

    layer: ClassVar[str] = ""
    """Path of the layer, as `package.module:Name`. Empty for a user-defined encoder, whose kind is the path."""

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


class SharedProjectionSpec(EncoderSpec):
    """Encoder that projects every position with one shared matrix, keeps the latest positions in order, and pools all
    positions. The default."""

    layer = "components.layers.encoders.shared_projection:SharedProjection"

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
    projection: int = Field(default=128, ge=1)
    """Width of the projection matrix W, (embedding, projection) without bias, shared by all positions and examples."""
    hidden: int = Field(default=128, ge=1)
    """Width of the hidden layer and of each row of the output table."""
    input_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout rate of the projected inputs in training."""


class TenInputsSpec(EncoderSpec):
    """Functional Keras model that sends `context` named inputs through one shared dense layer. `input_1` is the latest
    input."""

    layer = "components.layers.encoders.ten_inputs:TenInputs"

    kind: Literal["ten_inputs"]  # pyright: ignore[reportIncompatibleVariableOverride]
    shared_units: int = Field(default=64, ge=1)
    """Units of the dense layer that all inputs share."""
    shared_activation: Literal["linear", "relu", "gelu", "silu", "tanh"] = "relu"
    """Activation of the shared dense layer."""
    hidden: int = Field(default=128, ge=1)
    """Width of the hidden layer and of each row of the output table."""


class SharedSubmodelSpec(EncoderSpec):
    """Encoder that applies one submodel of your own to every input, with shared weights."""

    layer = "components.layers.encoders.shared_submodel:SharedSubmodel"

    kind: Literal["shared_submodel"]  # pyright: ignore[reportIncompatibleVariableOverride]
    submodel: str | list[dict[str, dict[str, Any]]] = [
        {"Dense": {"units": 64, "activation": "relu"}},
        {"LayerNormalization": {}},
    ]
    """Layers of `keras.layers` by name, each with its arguments. Or `package.module:function`: a function that takes
    the width of the embedding and returns a new Keras layer or model from (n, embedding) to (n, any width)."""
    join: Literal["concat", "mean", "max", "sum"] = "concat"
    """Method of joining the vectors of the inputs. `concat` keeps them in order; `mean`, `max` and `sum` pool them
    without the padding."""
    hidden: int = Field(default=128, ge=1)
    """Width of the hidden layer and of each row of the output table."""

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
    """Encoder that sends every position through one shared dense layer and reads the sequence with a recurrent cell."""

    layer = "components.layers.encoders.recurrent:Recurrent"

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


def layer_of(spec: EncoderSpec) -> str:
    """Return the path of an encoder's layer."""
    return spec.kind if is_path(spec.kind) else spec.layer


def _spec_at(path: str) -> type[EncoderSpec]:
    """Return the specification of a user-defined encoder."""
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
"""Encoder of a configuration: a built-in kind, or a user-defined encoder by its path."""
