"""Construction of the form of the loss of a configuration."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from components.extensions import is_path, resolve_class
from components.layers.forms.base import Form
from components.layers.forms.names import FormName
from components.layers.forms.spec import HeadSpec


def build_form(spec: HeadSpec) -> FormName | Form:
    """Return the name of a built-in form, or a user-defined form made from its keys.

    Args:
        spec: Keys of the output layer.

    Raises:
        ValueError: The user-defined form cannot be found.
    """
    if not is_path(spec.form):
        return cast("FormName", spec.form)
    make = cast("Callable[..., Form]", resolve_class(spec.form, Form))
    return make(**spec.model_dump(exclude=set(HeadSpec.model_fields)))
