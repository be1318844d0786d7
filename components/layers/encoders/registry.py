"""Encoders that a configuration can name."""

from __future__ import annotations

from typing import Annotated, get_args

from components.extensions import Kinds, resolve_spec
from components.layers.encoders.basket.spec import BasketSpec
from components.layers.encoders.recurrent.spec import RecurrentSpec
from components.layers.encoders.session.spec import SessionSpec
from components.layers.encoders.shared_projection.spec import SharedProjectionSpec
from components.layers.encoders.shared_submodel.spec import SharedSubmodelSpec
from components.layers.encoders.spec import EncoderSpec
from components.layers.encoders.ten_inputs.spec import TenInputsSpec
from components.layers.encoders.transformer.spec import TransformerSpec


def _spec_at(path: str) -> type[EncoderSpec]:
    """Return the specification of a user-defined encoder."""
    from components.layers.encoders.base import Encoder

    return resolve_spec(path, Encoder, EncoderSpec)


_OWN: dict[str, type[EncoderSpec]] = {
    get_args(spec.model_fields["kind"].annotation)[0]: spec
    for spec in (
        SharedProjectionSpec,
        TenInputsSpec,
        SharedSubmodelSpec,
        RecurrentSpec,
        TransformerSpec,
        SessionSpec,
        BasketSpec,
    )
}
DefaultSpec = SharedProjectionSpec
ModelSpec = Annotated[EncoderSpec, Kinds(EncoderSpec, _OWN, _spec_at, default=DefaultSpec().kind)]
"""Type of an encoder in a configuration: a built-in kind, or a user-defined encoder by its path."""
