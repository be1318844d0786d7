"""Requests with named columns, made of tf.Examples: what TFX's own builder does not make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from components.infra_validation.errors import BrokenExport


def column_requests(
    model_name: str, signature_name: str, signature: Any, examples: Sequence[tf.train.Example]
) -> list[predict_pb2.PredictRequest]:
    """A request with the first row alone, and one with all rows.

    The inputs of the signature say what each column is: strings of rank 2 are tokens (rows padded with ""), strings of
    rank 1 a category ("" when the row has none), floats of rank 1 a number (NaN when the row has none).

    Args:
        model_name: the name the server knows the model by.
        signature_name: the name of the signature.
        signature: its SignatureDef, whose inputs are named as the columns.
        examples: raw rows; at least one.

    Raises:
        BrokenExport: an input that is none of these, or a column of tokens that no row has.
    """
    for name, spec in signature.inputs.items():
        kind = (tf.dtypes.as_dtype(spec.dtype), len(spec.tensor_shape.dim))
        if kind not in ((tf.string, 2), (tf.string, 1), (tf.float32, 1)):
            raise BrokenExport(f"signature '{signature_name}': input '{name}' is {kind[0].name} of rank {kind[1]}")
        if kind == (tf.string, 2) and not any(_values(example, name) for example in examples):
            raise BrokenExport(f"signature '{signature_name}': input '{name}' is no column of the examples")
    requests = []
    for rows in (examples[:1], examples):
        request = predict_pb2.PredictRequest()
        request.model_spec.name = model_name
        request.model_spec.signature_name = signature_name
        for name, spec in signature.inputs.items():
            values = [_values(example, name) for example in rows]
            request.inputs[name].CopyFrom(tf.make_tensor_proto(_column(values, spec)))
        requests.append(request)
    return requests


def _values(example: tf.train.Example, name: str) -> list[Any]:
    feature = example.features.feature[name] if name in example.features.feature else tf.train.Feature()
    kind = feature.WhichOneof("kind")
    return list(getattr(feature, kind).value) if kind else []


def _column(values: Sequence[Sequence[Any]], spec: Any) -> np.ndarray:
    if spec.dtype == tf.float32.as_datatype_enum:
        return np.array([row[0] if row else np.nan for row in values], np.float32)
    if len(spec.tensor_shape.dim) == 1:
        return np.array([row[0] if row else b"" for row in values], object)
    column = np.full((len(values), max(len(row) for row in values)), b"", object)
    for place, row in zip(column, values, strict=True):
        place[: len(row)] = row
    return column
