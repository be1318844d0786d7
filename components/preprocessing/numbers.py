"""The moments of number columns, kept in Transform's output and told to people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_transform import schema_inference

from components.preprocessing.moments import CONSTANT, Z_BOUND, Moments

if TYPE_CHECKING:
    import tensorflow_transform as tft


def keep_moments(output: tf.Tensor, moments: tf.Tensor) -> tf.Tensor:
    """Annotate a column of the transformed schema with its moments, as a `TensorProto`.

    Args:
        output: (batch,) an output of Transform.
        moments: (6,) of `moments.analyzed`.

    Returns:
        The output.
    """
    name = tensor_pb2.TensorProto.DESCRIPTOR.full_name
    schema_inference.annotate(f"type.googleapis.com/{name}", tf.io.serialize_tensor(moments), output)
    return output


def read_moments(transform_output: tft.TFTransformOutput) -> dict[str, Moments]:
    """Read the moments of every number that Transform saw, by the name of its output.

    Args:
        transform_output: Transform's.
    """
    found: dict[str, Moments] = {}
    for feature in transform_output.transformed_metadata.schema.feature:
        for kept in feature.annotation.extra_metadata:
            tensor = tensor_pb2.TensorProto()
            if kept.Unpack(tensor):
                found[feature.name] = Moments(*tf.make_ndarray(tensor)[:-1].tolist())
    return found


def told(columns: Mapping[str, Moments]) -> list[str]:
    """Name the columns that carry nothing, and those that standardizing cannot represent well.

    Args:
        columns: the moments of each, by what people call it.

    Returns:
        A sentence for each such column, in the order given.
    """
    return [sentence for name, moments in columns.items() if (sentence := _told(name, moments))]


def _told(name: str, moments: Moments) -> str:
    low, high = f"{moments.least:.7g}", f"{moments.greatest:.7g}"
    if moments.constant:
        rows = f"{low} in every row" if low == high else f"{low} to {high}, less apart than {CONSTANT:g} of the mean"
        return f"constant: {name} ({rows}; carries nothing)"
    if moments.extreme:
        farthest = f"at most {moments.farthest:.3g} deviations from the mean"
        clipped = f"; clipped at {Z_BOUND:g}" if moments.farthest > Z_BOUND else ""
        return f"extreme: {name} ({low} to {high}, {farthest}{clipped})"
    return ""
