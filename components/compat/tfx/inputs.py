"""Additional input of a TFX component.

Reason: TFX's Transform creates its specification, with a fixed list of inputs, in its own constructor.
Versions: TFX 1.21.
Remove when: A component of TFX accepts a specification, or inputs beyond its list.
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
        component: Component to change.
        name: Name of the input.
        of: Type of the artifacts.
        channel: Channel that the component reads.
    """
    spec = component.spec
    # Set on this object, because all components of the kind share the class.
    spec.INPUTS = {**spec.INPUTS, name: component_spec.ChannelParameter(type=of)}
    spec.inputs[name] = channel
