"""The encoder that a configuration describes."""

from __future__ import annotations

from components.extensions import resolve_class
from components.layers.encoders.base import Encoder
from components.layers.encoders.spec import EncoderSpec


def build_encoder(
    spec: EncoderSpec, *, ids: int, context: int, numbers: tuple[str, ...], categories: dict[str, int], seed: int
) -> Encoder:
    """Build the encoder of a configuration, with all its variables.

    Args:
        spec: Keys of the encoder.
        ids: Number of input ids, the padding id, the last one, among them.
        context: Number of input ids of an example.
        numbers: Names of the number features.
        categories: Number of ids of each category feature, by name.
        seed: Seed of the weights.

    Raises:
        ValueError: A user's encoder or sub-model cannot be found, or cannot be applied to the inputs.
    """
    encoder = resolve_class(spec.layer_path, Encoder)(
        ids=ids,
        numbers=numbers,
        categories=categories,
        seed=seed,
        name="encoder",
        **spec.model_dump(exclude=spec.not_of_layer),
    )
    features = dict.fromkeys((*numbers, *categories), (None,))
    encoder.build({"input_ids": (None, context), **features})
    return encoder
