"""From the inputs of an example to one vector, in every form that can be chosen."""

from __future__ import annotations

from components.trainer.encoders.base import Encoder
from components.trainer.encoders.recurrent import Recurrent
from components.trainer.encoders.shared_projection import SharedProjection
from components.trainer.encoders.shared_submodel import SharedSubmodel
from components.trainer.encoders.ten_inputs import TenInputs
from components.trainer.layout import Layout
from components.trainer.model_spec import ModelSpec

_KINDS: dict[str, type[Encoder]] = {
    "shared_projection": SharedProjection,
    "ten_inputs": TenInputs,
    "shared_submodel": SharedSubmodel,
    "recurrent": Recurrent,
}


def build_encoder(spec: ModelSpec, layout: Layout, seed: int) -> Encoder:
    """The encoder of a configuration, with all its variables made.

    Args:
        spec: what is to be built.
        layout: what a window is made of.
        seed: of the weights.

    Raises:
        ValueError: a sub-model of the user's cannot be applied to the inputs.
    """
    encoder = _KINDS[spec.kind](
        ids=layout.padding + 1,
        numbers=layout.numbers,
        categories=layout.categories,
        seed=seed,
        name="encoder",
        **spec.model_dump(exclude={"kind", "context"}),
    )
    features = dict.fromkeys((*layout.numbers, *layout.categories), (None,))
    encoder.build({"input_ids": (None, layout.context), **features})
    return encoder
