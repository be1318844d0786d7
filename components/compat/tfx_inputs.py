"""One more input of a component of TFX.

Reason: TFX's Transform makes its specification, with a fixed list of inputs, in its own constructor.
Versions: TFX 1.21.
Remove when: a component of TFX takes a specification, or inputs beyond its list.
"""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_component
from tfx.types import component_spec


def add_input(
    component: base_component.BaseComponent, name: str, of: type[types.Artifact], channel: types.BaseChannel
) -> None:
    """Add a required input to a component that was just created.

    Args:
        component: The component.
        name: Name of the input.
        of: Type of its artifacts.
        channel: Channel that the component reads.
    """
    spec = component.spec
    # An attribute of this specification alone: the class belongs to all components of its kind.
    spec.INPUTS = {**spec.INPUTS, name: component_spec.ChannelParameter(type=of)}
    spec.inputs[name] = channel
