"""Tests of one more input of a component of TFX."""

from __future__ import annotations

import pytest
from tfx import types
from tfx.components import Transform
from tfx.types import standard_artifacts
from tfx.types.component_spec import ChannelParameter

from components.compat.tfx.inputs import add_input


def transform(**more: types.BaseChannel) -> Transform:
    return Transform(
        examples=types.Channel(type=standard_artifacts.Examples),
        schema=types.Channel(type=standard_artifacts.Schema),
        preprocessing_fn="a.function",
        **more,  # pyright: ignore[reportArgumentType]
    )


def test_the_component_has_one_more_input_and_its_class_does_not() -> None:
    node, channel = transform(), types.Channel(type=standard_artifacts.HyperParameters)
    add_input(node, "choices", standard_artifacts.HyperParameters, channel)
    assert node.inputs["choices"] is channel
    assert isinstance(node.spec.INPUTS["choices"], ChannelParameter)
    assert "choices" not in transform().spec.INPUTS


def test_tfx_takes_no_further_input() -> None:
    """Fails when TFX's Transform takes inputs of one's own: remove `tfx_inputs` then."""
    with pytest.raises(TypeError, match="choices"):
        transform(choices=types.Channel(type=standard_artifacts.HyperParameters))
