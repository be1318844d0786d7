"""Serialization of many rows to tf.Examples at once, with Arrow's kernels.

The bytes are those of `components.ingest.rows.example.serialize`: the features are sorted by name, and features without
values are absent.

Source: https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_FIRST, _SECOND = b"\x0a", b"\x12"
"""Tags of the fields 1 and 2 with a length, such as a message, a text or packed numbers."""
_TABLE = 1 << 16
"""Number of lengths whose encoding is kept in a table."""
_NOTHING = pa.scalar(b"", pa.binary())


def serialize_all(columns: Mapping[str, pa.ListArray | pa.DoubleArray]) -> pa.BinaryArray:
    """Return rows as serialized tf.Examples, (rows,) binary.

    Args:
        columns: Lists of binary texts, lists of numbers, or numbers, by name of the column; null for a missing number.
    """
    features = [_feature(name, columns[name]) for name in sorted(columns, key=str.encode)]
    joined = pc.binary_join_element_wise(*features, _NOTHING)
    return pc.if_else(pc.greater(pc.binary_length(joined), 0), _with_length(_FIRST, joined), _NOTHING)


def _feature(name: str, column: pa.Array) -> pa.BinaryArray:
    """Return the entries of a feature in the map of features; empty for a row without values."""
    if pa.types.is_list(column.type) and pa.types.is_floating(column.type.value_type):
        packed = _with_length(_FIRST, _packed(column))
        values, present = _with_length(_SECOND, packed), pc.greater(pc.list_value_length(column), 0)
    elif pa.types.is_list(column.type):
        texts = _with_length(_FIRST, column.values)
        joined = pc.binary_join(pa.ListArray.from_arrays(column.offsets, texts), _NOTHING)
        values, present = _with_length(_FIRST, joined), pc.greater(pc.list_value_length(column), 0)
    else:
        with np.errstate(over="ignore"):
            numbers = np.asarray(column.fill_null(0.0)).astype("<f4")
        packed = pa.Array.from_buffers(pa.binary(4), len(numbers), [None, pa.py_buffer(numbers.tobytes())])
        prefix = pa.scalar(_SECOND + _varint(6) + _FIRST + _varint(4), pa.binary())
        values, present = pc.binary_join_element_wise(prefix, packed.cast(pa.binary()), _NOTHING), column.is_valid()
    key = name.encode()
    entry = pc.binary_join_element_wise(
        pa.scalar(_FIRST + _varint(len(key)) + key, pa.binary()), _with_length(_SECOND, values), _NOTHING
    )
    return pc.if_else(present, _with_length(_FIRST, entry), _NOTHING)


def _packed(column: pa.ListArray) -> pa.BinaryArray:
    """Return the numbers of each row as packed float32."""
    with np.errstate(over="ignore"):
        numbers = np.asarray(column.values).astype("<f4")
    offsets = (np.asarray(column.offsets).astype(np.int64) * 4).astype("<i4")
    return pa.Array.from_buffers(
        pa.binary(), len(column), [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(numbers.tobytes())]
    )


def _with_length(tag: bytes, values: pa.BinaryArray) -> pa.BinaryArray:
    """Return values as fields of a message, each with the tag and its length before it."""
    lengths = pc.binary_length(values)
    longest = pc.max(lengths).as_py() or 0
    if longest < _TABLE:
        # A power of two, so that few tables are built.
        prefixes = _prefixes(tag, max(1_024, 1 << longest.bit_length())).take(lengths)
    else:
        prefixes = pa.array([tag + _varint(length) for length in lengths.to_pylist()], pa.binary())
    return pc.binary_join_element_wise(prefixes, values, _NOTHING)


@functools.lru_cache(maxsize=64)
def _prefixes(tag: bytes, size: int) -> pa.BinaryArray:
    """Return the tag followed by each of the lengths below `size`."""
    return pa.array([tag + _varint(length) for length in range(size)], pa.binary())


def _varint(number: int) -> bytes:
    """Return an integer as a varint: groups of seven bits, the lowest first."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])
