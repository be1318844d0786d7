"""Configuration keys of the encoder `shared_submodel`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from components.extensions import source_modules
from components.layers.encoders.spec import EncoderSpec


class SharedSubmodelSpec(EncoderSpec):
    """Encoder that applies one user-defined submodel to every input, with shared weights."""

    layer = "components.layers.encoders.shared_submodel.layer:SharedSubmodel"
    token_features = True
    embeds_label_features = True

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
        # Imported here, because this module imports Keras, which takes seconds. Other kinds do not need it.
        from components.layers.encoders.shared_submodel.submodel import checked

        return checked(value, info.data.get("embedding", 1))

    @property
    def source_modules(self) -> tuple[str, ...]:
        """User modules that define the submodel; empty for a list of layers."""
        return source_modules(self.submodel) if isinstance(self.submodel, str) else ()
