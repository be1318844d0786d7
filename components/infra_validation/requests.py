"""Tensors of Predict requests, made from tf.Examples."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from components.infra_validation.answers import BrokenExport
from components.messages.spelling import did_you_mean

SERIALIZED, COLUMNS = "serving_default", "predict"
"""Signatures of an export: the first takes serialized tf.Examples, the second takes columns by name."""
Request = tuple[str, dict[str, np.ndarray]]
"""Name of a signature, and its inputs by name, each (rows, ...)."""


def requests_of(
    signatures: Mapping[str, Any], records: Sequence[bytes], columns: Collection[str] | None = None
) -> list[Request]:
    """Return requests: each serialized row alone, the columns of the first row, and the columns of all rows.

    Args:
        signatures: SignatureDefs by name.
        records: Serialized tf.Examples; at least one.
        columns: Names that the inputs of `predict` may have. None: any.

    Raises:
        BrokenExport: A signature is missing, or has an input that cannot be made from the rows.
    """
    for name in (SERIALIZED, COLUMNS):
        if name not in signatures:
            raise BrokenExport(f"the export has no signature '{name}', only {sorted(signatures)}")
    serialized, named = signatures[SERIALIZED].inputs, signatures[COLUMNS].inputs
    if [_kind(spec) for spec in serialized.values()] != [("string", 1)]:
        raise BrokenExport(f"signature '{SERIALIZED}' does not take serialized tf.Examples, but {sorted(serialized)}")
    for name in named:
        if columns is not None and name not in columns:
            raise BrokenExport(f"signature '{COLUMNS}': input '{name}' is not a column{did_you_mean(name, columns)}")
    rows = [tf.train.Example.FromString(record).features.feature for record in records]
    return [
        *((SERIALIZED, {name: np.array([record], object) for name in serialized}) for record in records),
        *((COLUMNS, {name: _column(name, named[name], part) for name in named}) for part in (rows[:1], rows)),
    ]


def _column(name: str, spec: Any, rows: Sequence[Mapping[str, tf.train.Feature]]) -> np.ndarray:
    """Return tokens or token features padded with "" or NaN (rank 2), or features with these if missing (rank 1)."""
    values = [_values(row[name]) if name in row else [] for row in rows]
    match _kind(spec):
        case ("float32", 1):
            return np.array([row[0] if row else np.nan for row in values], np.float32)
        case ("string", 1):
            return np.array([row[0] if row else b"" for row in values], object)
        case ("string" | "float32" as kind, 2):
            fill, dtype = (b"", object) if kind == "string" else (np.nan, np.float32)
            width = max(map(len, values))
            return np.array([[*row, *[fill] * (width - len(row))] for row in values], dtype).reshape(len(rows), width)
        case (kind, rank):
            raise BrokenExport(f"signature '{COLUMNS}': input '{name}' is {kind} of rank {rank}")


def _kind(spec: Any) -> tuple[str, int]:
    return tf.dtypes.as_dtype(spec.dtype).name, len(spec.tensor_shape.dim)


def _values(feature: tf.train.Feature) -> Sequence[Any]:
    kind = feature.WhichOneof("kind")
    return getattr(feature, kind).value if kind else []
