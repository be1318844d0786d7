"""Construction of the encoder of a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.extensions import resolve_class
from components.layers.encoders.base import Encoder
from components.layers.encoders.spec import EncoderSpec

if TYPE_CHECKING:
    from components.layers.label_features.layer import LabelFeatures


def build_encoder(
    spec: EncoderSpec,
    *,
    ids: int,
    context: int,
    numbers: tuple[str, ...],
    categories: dict[str, int],
    seed: int,
    token_numbers: tuple[str, ...] = (),
    token_categories: dict[str, int] | None = None,
    label_features: LabelFeatures | None = None,
) -> Encoder:
    """Build the encoder of a configuration with all variables.

    Args:
        spec: Keys of the encoder.
        ids: Number of input ids, including the padding id, which is the last id.
        context: Number of input ids of an example.
        numbers: Names of the number features.
        categories: Number of ids of each category feature, by name.
        seed: Seed of the weights.
        token_numbers: Names of the number features of the tokens.
        token_categories: Number of ids of each category feature of the tokens, by name.
        label_features: Layer that adds features of the tokens to their embeddings, or None.

    Raises:
        ValueError: A user-defined encoder or submodel cannot be found, or cannot be applied to the inputs.
    """
    # An encoder without support for token features need not have these arguments.
    token_categories = token_categories or {}
    of_tokens = {"token_numbers": token_numbers, "token_categories": token_categories}
    encoder = resolve_class(spec.layer_path, Encoder)(
        ids=ids,
        numbers=numbers,
        categories=categories,
        seed=seed,
        name="encoder",
        **spec.model_dump(exclude=spec.not_of_layer),
        **(of_tokens if token_numbers or token_categories else {}),
    )
    if label_features is not None:
        label_features.build()
        encoder.label_features = label_features
    features = dict.fromkeys((*numbers, *categories), (None,))
    features |= dict.fromkeys((*token_numbers, *token_categories), (None, context))
    encoder.build({"input_ids": (None, context), **features})
    return encoder
