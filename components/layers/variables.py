"""Variables of a layer with given initial values."""

from __future__ import annotations

import math

import keras
import numpy as np
import tensorflow as tf


def add_variable(
    layer: keras.layers.Layer, name: str, values: np.ndarray, dtype: str = "float32", trainable: bool = True
) -> keras.Variable:
    """Add a variable to a layer, with the given initial values and their shape."""
    return layer.add_weight(
        shape=values.shape,
        dtype=dtype,
        initializer=lambda shape, dtype=None: tf.constant(values, dtype, shape),
        trainable=trainable,
        autocast=False,
        name=name,
    )


def size_in_bytes(layer: keras.layers.Layer) -> int:
    """Return the size of all variables of a layer in bytes."""
    return sum(math.prod(v.shape) * tf.as_dtype(v.dtype).size for v in layer.weights)
