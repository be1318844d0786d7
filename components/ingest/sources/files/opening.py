"""Opening of files, with detection of compression by the name and the first bytes."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast

from components.files import open_bytes
from components.ingest.errors import BrokenFile

_PACKED = (".gz", ".bz2", ".xz", ".zst")


def _zstd_file(raw: BinaryIO) -> Any:
    # Not `zstandard`, which Beam installs: it reads a truncated file without an error.
    import pyarrow as pa

    return pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")


_UNPACK: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
    b"\x28\xb5\x2f\xfd": _zstd_file,
}
"""First bytes of compressed files, each with a function that opens such a file."""


def file_name(path: str) -> tuple[str, str]:
    """Return a path in lower case without the ending of a compression, and the ending of the compression."""
    name = path.lower()
    packed = next((ending for ending in _PACKED if name.endswith(ending)), "")
    return name.removesuffix(packed), packed


def without_packing(path: str) -> str:
    """Return a path without the ending of a compression."""
    return path[: len(path) - len(file_name(path)[1])]


def is_packed(path: str) -> bool:
    """Return True if the contents of a file are compressed. The name does not matter.

    Raises:
        BrokenFile: The file cannot be opened.
    """
    with open_source(path, unpack=False) as stream:
        head = stream.read(8)
    return any(head.startswith(magic) for magic in _UNPACK)


def open_source(path: str, unpack: bool = True) -> BinaryIO:
    """Open a file of a source to read bytes.

    Args:
        path: Local path, or path in an object store.
        unpack: True to unpack gzip, bzip2, xz and zstd. The first bytes decide, not the name: a browser may have
            unpacked `rows.csv.gz`.

    Raises:
        BrokenFile: The file cannot be opened.
    """
    try:
        raw = open_bytes(path)
        if not unpack:
            return raw
        head = raw.read(8)
        raw.seek(0)
    except OSError as error:
        raise BrokenFile(f"{path}: cannot be read: {error.strerror or error}") from error
    opener = next((opener for magic, opener in _UNPACK.items() if head.startswith(magic)), None)
    if opener is gzip.GzipFile:
        return cast("BinaryIO", gzip.GzipFile(fileobj=raw))
    return cast("BinaryIO", opener(raw)) if opener else raw


@contextlib.contextmanager
def reading(path: str, place: Callable[[], str] = lambda: "") -> Iterator[None]:
    """Return a context that converts errors of reading a file to `BrokenFile`, with the file and the place.

    Args:
        path: Path of the file.
        place: Function that returns the place where reading stopped, such as " after line 17". Called only on errors.
    """
    try:
        yield
    except EOFError as error:
        raise BrokenFile(f"{path}: the compressed data breaks off{place()}: copy or upload the file again") from error
    except (OSError, zlib.error, lzma.LZMAError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise BrokenFile(f"{path}: cannot be read{place()}: {reason}") from error
