"""tf.Examples as bytes.

Written by hand, in the wire format of Protocol Buffers: importing TensorFlow for `tf.train.Example` takes a process
longer than reading a hundred thousand rows, and most tokens are frequent ones, whose bytes can be kept.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

from components.ingest.errors import RowError

_KEPT = 1 << 17
# Keys of fields, all of type LEN. Example.features, Features.feature, its key and value, BytesList.value and
# FloatList.value, and Feature.bytes_list: number 1. Feature.float_list: number 2; a map's value: number 2.
_FIRST = b"\x0a"
_SECOND = b"\x12"


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


_LENGTHS = [_varint(number) for number in range(1 << 12)]


def _field(key: bytes, content: bytes) -> bytes:
    size = len(content)
    return key + (_LENGTHS[size] if size < len(_LENGTHS) else _varint(size)) + content


class _Values(dict[str, bytes]):
    """Fields of a BytesList, by the text that they hold."""

    def __missing__(self, text: str) -> bytes:
        if len(self) >= _KEPT:
            self.clear()
        field = self[text] = _field(_FIRST, text.encode())
        return field


_values = _Values()


def serialize(columns: Mapping[str, Sequence[str] | Sequence[float]]) -> bytes:
    """Return columns as a serialized tf.Example; equal columns give equal bytes.

    Args:
        columns: Texts or numbers, by name; a column without values is left out.

    Raises:
        RowError: A text cannot be written as UTF-8.
    """
    entries = []
    try:
        for name in sorted(columns):
            values = columns[name]
            if not values:
                continue  # An absent feature, not an empty one: an empty list would have to have a type.
            if isinstance(values[0], str):
                kind, packed = _FIRST, b"".join(map(_values.__getitem__, values))  # type: ignore[arg-type]
            else:
                kind, packed = _SECOND, _field(_FIRST, struct.pack(f"<{len(values)}f", *values))
            entries.append(_field(_FIRST, _values[name] + _field(_SECOND, _field(kind, packed))))
    except UnicodeEncodeError as error:
        raise RowError("not UTF-8", "the text holds half of a surrogate pair") from error
    return _field(_FIRST, b"".join(entries)) if entries else b""
