"""Signatures of a SavedModel: names, types and ranks of the inputs, and the names of the outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DEFAULT = "serving_default"
"""Signature of a request that names none. It takes serialized tf.Examples."""
COLUMNS = "predict"
"""Signature that takes columns by name."""
PADDING: Mapping[str, Any] = {"DT_STRING": b"", "DT_FLOAT": float("nan")}
"""Values without a meaning at the end of a row, by type of the column: see `components.training.export.servable`."""


@dataclass(frozen=True)
class Input:
    """Input of a signature.

    Attributes:
        dtype: Name of the type, such as `DT_STRING`.
        shape: Size of each dimension, -1 if any; None if the rank is unknown.
    """

    dtype: str
    shape: tuple[int, ...] | None

    @property
    def rank(self) -> int | None:
        """Number of dimensions; None if it is unknown."""
        return None if self.shape is None else len(self.shape)


@dataclass(frozen=True)
class Signature:
    """Signature of a SavedModel.

    Attributes:
        name: Name of the signature.
        method: Method of TensorFlow Serving that the signature supports.
        inputs: Inputs by name.
        outputs: Names of the outputs.
    """

    name: str
    method: str
    inputs: Mapping[str, Input]
    outputs: tuple[str, ...]

    @classmethod
    def of(cls, name: str, definition: Any) -> Signature:
        """Return the signature of a `SignatureDef` message."""
        inputs = {key: Input(_type(info), _shape(info.tensor_shape)) for key, info in definition.inputs.items()}
        return cls(name, definition.method_name, inputs, tuple(sorted(definition.outputs)))

    @property
    def joins_rows(self) -> bool:
        """True if the rows of several requests can be joined in one call, and the outputs can be divided again."""
        ranks = {given.rank for given in self.inputs.values()}
        return self.name in (DEFAULT, COLUMNS) and ranks <= {1, 2}


def _type(info: Any) -> str:
    return info.DESCRIPTOR.fields_by_name["dtype"].enum_type.values_by_number[info.dtype].name


def _shape(shape: Any) -> tuple[int, ...] | None:
    return None if shape.unknown_rank else tuple(dim.size for dim in shape.dim)
