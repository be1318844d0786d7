"""The encoder that a configuration describes."""

from __future__ import annotations

from components.layers.encoders.base import Encoder
from components.layers.encoders.recurrent import Recurrent
from components.layers.encoders.shared_projection import SharedProjection
from components.layers.encoders.shared_submodel import SharedSubmodel
from components.layers.encoders.spec import ModelSpec
from components.layers.encoders.ten_inputs import TenInputs

_KINDS: dict[str, type[Encoder]] = {
    "shared_projection": SharedProjection,
    "ten_inputs": TenInputs,
    "shared_submodel": SharedSubmodel,
    "recurrent": Recurrent,
}


def build_encoder(
    spec: ModelSpec, *, ids: int, context: int, numbers: tuple[str, ...], categories: dict[str, int], seed: int
) -> Encoder:
    """Build the encoder of a configuration, with all its variables.

    Args:
        spec: the encoder's configuration.
        ids: number of input ids, the padding id, the last one, among them.
        context: number of input ids of an example.
        numbers: names of the number features.
        categories: names of the category features, each with its number of ids.
        seed: of the weights.

    Raises:
        ValueError: a sub-model of the user's cannot be applied to the inputs.
    """
    encoder = _KINDS[spec.kind](
        ids=ids,
        numbers=numbers,
        categories=categories,
        seed=seed,
        name="encoder",
        **spec.model_dump(exclude={"kind", "context"}),
    )
    features = dict.fromkeys((*numbers, *categories), (None,))
    encoder.build({"input_ids": (None, context), **features})
    return encoder
