"""Writer of TFRecord files without TensorFlow, whose import takes longer than writing a hundred thousand records.

Source: https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import google_crc32c
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from components.files import open_bytes

_RECORDS = 4_096
"""Number of records to compress at a time."""
_LEVEL = 1
_GZIP = 16 + zlib.MAX_WBITS
_MASK = 0xA282EAD8


def write_records(path: str, records: Sequence[bytes]) -> None:
    """Write a gzip TFRecord file. Equal records result in equal files.

    Args:
        path: Local path, or path in an object store.
        records: Serialized records.
    """
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    with open_bytes(path, "wb") as file:
        for first in range(0, len(records), _RECORDS):
            file.write(packer.compress(_framed(records[first : first + _RECORDS])))
        file.write(packer.flush())


def _framed(records: Sequence[bytes]) -> memoryview:
    """Return records in the format: length, checksum of the length, data, checksum of the data."""
    head = np.zeros(len(records), np.dtype([("length", "<u8"), ("checksum", "<u4")]))
    head["length"] = [len(record) for record in records]
    lengths, places = np.unique(head["length"], return_inverse=True)
    head["checksum"] = _masked([length.tobytes() for length in lengths])[places]
    foot = _masked(records)
    both = [_bytes_of(head), pa.array(records, pa.binary()), _bytes_of(foot)]
    joined = pc.binary_join_element_wise(*both, pa.scalar(b"", pa.binary()))
    # The texts of an array are contiguous in one buffer.
    return memoryview(joined.buffers()[2])[: int(head["length"].sum()) + 16 * len(records)]


def _masked(texts: Sequence[bytes]) -> NDArray[np.uint32]:
    """Return the masked CRC-32C of each text, (texts,) little-endian."""
    value = google_crc32c.value
    found = np.array([value(text) for text in texts], np.uint64)
    rotated = (found >> np.uint64(15)) | (found << np.uint64(17))
    return ((rotated + np.uint64(_MASK)) & np.uint64(0xFFFFFFFF)).astype("<u4")


def _bytes_of(values: NDArray[Any]) -> pa.BinaryArray:
    """Return the bytes of each value."""
    return pa.Array.from_buffers(
        pa.binary(values.dtype.itemsize), len(values), [None, pa.py_buffer(values.tobytes())]
    ).cast(pa.binary())
