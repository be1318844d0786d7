"""Import of a public name from the package that owns it."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from typing import Any


def find(module: str, name: str, places: Mapping[str, str]) -> Any:
    """Return the object that a public name refers to.

    Args:
        module: Module that has the name.
        name: The name.
        places: Place of each name: `module:attribute` or a module.

    Raises:
        AttributeError: The module has no such name.
        ImportError: The packages of the pipeline are not installed.
    """
    if name not in places:
        from components.messages.spelling import did_you_mean

        raise AttributeError(f"module '{module}' has no attribute '{name}'{did_you_mean(name, places)}")
    owner, _, attribute = places[name].partition(":")
    if owner.startswith("pipeline") and importlib.util.find_spec("tfx") is None:
        raise ImportError(f"{module}.{name} needs the packages of the pipeline: pip install 'bigvocab[pipeline]'")
    found = importlib.import_module(owner)
    return getattr(found, attribute) if attribute else found


def check_backend() -> None:
    """Require TensorFlow as the backend of Keras.

    Raises:
        ImportError: Keras was imported on another backend.
    """
    import keras

    if keras.config.backend() != "tensorflow":
        raise ImportError(
            f"bigvocab.layers needs Keras on TensorFlow, not on {keras.config.backend()}: "
            "set KERAS_BACKEND=tensorflow before Keras is imported"
        )


def version() -> str:
    """Return the version of the installed package."""
    import importlib.metadata

    try:
        return importlib.metadata.version("bigvocab")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
