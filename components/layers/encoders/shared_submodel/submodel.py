"""User-defined submodel: a list of layers in a configuration, or a function, checked before anything runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras

from components import extensions
from components.compat.keras import flattened, own_states
from components.layers.encoders.base import seeded
from components.messages.spelling import did_you_mean

Layers = list[dict[str, dict[str, Any]]]
# Arguments of keras.layers.Layer.
_COMMON = ("name", "dtype", "trainable")


def checked(description: Any, width: int) -> str | Layers:
    """Check the description of a submodel and return it.

    The check makes the layers and applies them to a symbolic vector, so TensorFlow's devices can still be configured
    later. It only looks up a function, and does not call it.

    Args:
        description: Keras layers, or `package.module:function`.
        width: Width of the input vectors of the submodel.

    Raises:
        ValueError: A layer cannot be made or applied, or the function does not exist. The message names each layer at
            fault.
    """
    if isinstance(description, str):
        _function(description)
        return description
    if not isinstance(description, list) or not description:
        raise ValueError("expected a list of layers, as in [{Dense: {units: 64}}], or package.module:function")
    # A separate thread, because Keras keeps one list per thread of the variables that have no values yet.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(_checked_layers, description, width).result()


def _checked_layers(description: list[Any], width: int) -> Layers:
    layers: Layers = []
    made = []
    faults = []
    with seeded(0), keras.StatelessScope(initialize_variables=False):
        for place, entry in enumerate(description):
            try:
                layers.append(_entry(entry))
                made.append(_make_layer(place, layers[-1]))
            except ValueError as error:
                faults.append(f"layer {place}: {error}")
        if not faults:
            try:
                _applied(made, width)
            except ValueError as error:
                faults.append(str(error))
    if faults:
        raise ValueError("; ".join(faults))
    return layers


def make(description: str | Layers, width: int, seed: int) -> tuple[keras.layers.Layer, int]:
    """Create a submodel and its variables.

    Args:
        description: Description that `checked` returned.
        width: Width of the input vectors of the submodel.
        seed: Seed of the weights of all layers without a seed of their own.

    Returns:
        The submodel, and the width of its output vectors.

    Raises:
        ValueError: The submodel cannot be applied to (n, width), or its output is not (n, any width). Or replicas
            cannot train the submodel: it changes a state other than weights and random generators, or adds losses.
    """
    with seeded(seed):
        if not isinstance(description, str):
            layers = [_make_layer(*numbered) for numbered in enumerate(description)]
            given = _applied(layers, width)
            submodel = keras.Sequential(layers, name="submodel")
            submodel.build((None, width))
            return submodel, given
        submodel = _function(description)(width)
        if not isinstance(submodel, keras.layers.Layer):
            raise ValueError(f"submodel: {description} gave a {type(submodel).__name__}, not a Keras layer or model")
        try:
            return submodel, _applied([submodel], width)
        except ValueError as error:
            raise ValueError(f"submodel: {description}: {error}") from error


def _entry(entry: Any) -> dict[str, dict[str, Any]]:
    if not isinstance(entry, dict) or len(entry) != 1:
        raise ValueError(f"expected one layer with its arguments, as in {{Dense: {{units: 64}}}} (found {entry!r})")
    ((name, arguments),) = entry.items()
    if not isinstance(arguments, dict):
        raise ValueError(f"expected arguments by name, as in {{{name}: {{}}}} (found {arguments!r})")
    return {str(name): {str(key): value for key, value in arguments.items()}}


def _make_layer(place: int, entry: dict[str, dict[str, Any]]) -> keras.layers.Layer:
    ((name, arguments),) = entry.items()
    known = [k for k, v in vars(keras.layers).items() if inspect.isclass(v) and issubclass(v, keras.layers.Layer)]
    if name not in known:
        raise ValueError(f"keras.layers has no {name!r}{did_you_mean(name, known)}")
    made = getattr(keras.layers, name)
    signature = inspect.signature(made)
    named = [p.name for p in signature.parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    for key in arguments:
        if key not in (*named, *_COMMON):
            raise ValueError(f"{name} has no argument {key!r}{did_you_mean(key, [*named, *_COMMON])}")
    try:
        signature.bind(**arguments)
        return made(**{"name": f"layer_{place}", **arguments})
    except Exception as error:
        raise ValueError(f"{name}: {_first_line(error)}") from error


def _applied(layers: list[keras.layers.Layer], width: int) -> int:
    """Build the layers in order and return the width of the last output."""
    value = keras.KerasTensor((None, width))
    for place, layer in enumerate(layers):
        label = f"layer {place} ({type(layer).__name__})"
        try:
            value = layer(value)
        except Exception as error:
            raise ValueError(f"{label} cannot be applied here: {_first_line(error)}") from error
        _refuse(layer, label)
    shape = getattr(value, "shape", None)
    if shape is None or len(shape) != 2 or shape[0] is not None or not shape[1]:
        raise ValueError(f"gives {shape or type(value).__name__} for (None, {width}): (None, any width) is needed")
    return int(shape[1])


def _refuse(submodel: keras.layers.Layer, label: str) -> None:
    for layer in flattened(submodel):
        name = type(layer).__name__
        inside = label if layer is submodel else f"{label}, {layer.name} ({name})"
        # The weights of a frozen layer do not count as state.
        if layer.trainable and own_states(layer):
            raise ValueError(
                f"{inside} changes a state at every step, which replicas cannot do; LayerNormalization keeps none"
            )
        regularized = any(getattr(weight, "regularizer", None) is not None for weight in layer.weights)
        if regularized or layer.activity_regularizer is not None:
            raise ValueError(f"{inside} has a regularizer, which adds a loss: only the outputs' losses are trained on")


def _function(path: str) -> Callable[[int], Any]:
    module, _, name = path.partition(":")
    if not module or not name:
        raise ValueError(f"{path!r} is not package.module:function, nor a list of layers")
    try:
        return extensions.resolve(path, "function", callable)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
