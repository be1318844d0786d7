"""Opening of files: compression and encoding, by the name and the first bytes."""

from __future__ import annotations

import bz2
import codecs
import contextlib
import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast

from components.files import open_bytes
from components.ingest.errors import BrokenFile

_PACKED = (".gz", ".bz2", ".xz")

_UNPACK: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
_UTF16 = "UTF-16 text: convert it, as with `iconv -f UTF-16 -t UTF-8`"
_REFUSED = {
    b"\x28\xb5\x2f\xfd": "packed with zstd: unpack it, or pack it with gzip",
    b"PK\x03\x04": "a zip archive: unpack it, or pack the files with gzip",
    b"\x04\x22\x4d\x18": "packed with lz4: unpack it, or pack it with gzip",
    codecs.BOM_UTF16_LE: _UTF16,
    codecs.BOM_UTF16_BE: _UTF16,
    b"PAR1": "a Parquet file: set data.source.kind: parquet",
}
"""First bytes of files that cannot be read as text, each with the cause and the way out."""
_HEAD = 1 << 16


def file_name(path: str) -> tuple[str, str]:
    """Return a path in lower case without the ending of a compression, and that ending."""
    name = path.lower()
    packed = next((ending for ending in _PACKED if name.endswith(ending)), "")
    return name.removesuffix(packed), packed


def without_packing(path: str) -> str:
    """Return a path without the ending of a compression."""
    return path[: len(path) - len(file_name(path)[1])]


def is_packed(path: str) -> bool:
    """Return True if the contents of a file are compressed, whatever its name.

    Raises:
        BrokenFile: The file cannot be opened.
    """
    with open_source(path, unpack=False) as stream:
        head = stream.read(8)
    return any(head.startswith(magic) for magic in _UNPACK)


def open_source(path: str, unpack: bool = True) -> BinaryIO:
    """Open a file of a source to read bytes.

    Args:
        path: Local, or in an object store.
        unpack: Unpack gzip, bzip2 and xz. The first bytes decide: a browser may have unpacked `rows.csv.gz`.

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


def after_mark(stream: BinaryIO) -> int:
    """Return the position after the byte order mark at the start of a stream; 0 without one."""
    return len(codecs.BOM_UTF8) if stream.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8 else 0


def check_text(path: str) -> bytes:
    """Return the first bytes of a text file, unpacked; empty for a file without contents.

    Raises:
        BrokenFile: The file is damaged, cannot be opened, or is not UTF-8 text with line feeds; the message
            names its kind and the way out.
    """
    with reading(path), open_source(path) as stream:
        head = stream.read(_HEAD)
    refused = next((reason for magic, reason in _REFUSED.items() if head.startswith(magic)), None)
    if not refused and head.count(0) > len(head) // 4:  # of Western text, every second byte
        refused = _UTF16
    if refused:
        raise BrokenFile(f"{path}: {refused}")
    if b"\r" in head.rstrip(b"\r") and b"\n" not in head:
        raise BrokenFile(
            f"{path}: lines end with a carriage return alone, as on old Macintoshes: convert it, as with "
            r"`tr '\r' '\n'`"
        )
    return head


@contextlib.contextmanager
def reading(path: str, place: Callable[[], str] = lambda: "") -> Iterator[None]:
    """Turn errors of reading a file into `BrokenFile`, with the file and the place.

    Args:
        path: Path of the file.
        place: Returns the place where reading stopped, such as " after line 17"; called after an error only.
    """
    try:
        yield
    except EOFError as error:
        raise BrokenFile(f"{path}: the compressed data breaks off{place()}: copy or upload the file again") from error
    except (OSError, zlib.error, lzma.LZMAError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise BrokenFile(f"{path}: cannot be read{place()}: {reason}") from error
