"""Cuts large files at row boundaries, so that several workers read one file and none holds a whole file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow.parquet as pq

from components.files import open_bytes
from components.ingest.spec import SourceKind

RANGE_BYTES = 8 << 20
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Range:
    """A part of a file that one worker reads.

    Attributes:
        path: the file.
        start: first byte, or first row group of Parquet.
        end: the byte (or row group) after the last one; None: to the end of the file.
        line: number of the first line (or row), from 1.
    """

    path: str
    start: int = 0
    end: int | None = None
    line: int = 1


def ranges(path: str, kind: SourceKind, size: int = RANGE_BYTES) -> Iterator[Range]:
    """The parts of a file, in order; together they hold every row once.

    Plain text is cut at blank lines, JSON Lines at line ends, CSV at line ends outside quotes (RFC 4180), Parquet
    between row groups. What cannot be entered in the middle (gzip, TFRecord) stays whole and is streamed.

    Args:
        path: the file.
        kind: of the source.
        size: least bytes of a part.
    """
    if kind == "parquet":
        with open_bytes(path) as stream:
            meta = pq.ParquetFile(stream).metadata
            row = 1
            for group in range(meta.num_row_groups):
                yield Range(path, group, group + 1, row)
                row += meta.row_group(group).num_rows
    elif kind in ("sotu", "tfrecord") or path.endswith(".gz"):
        yield Range(path)
    else:
        yield from _cut(path, kind, size)


def _cut(path: str, kind: SourceKind, size: int) -> Iterator[Range]:
    """One pass over the bytes that looks only at line ends and quotes, at the speed of the disk."""
    start, line = 0, 1
    here, lines, quotes = 0, 1, 0
    tail = b""
    with open_bytes(path) as stream:
        while block := stream.read(min(_BLOCK, size)):
            if not (block := tail + block).endswith(b"\n"):
                # Only whole lines are looked at: the rest waits for the next block.
                cut = block.rfind(b"\n") + 1
                block, tail = block[:cut], block[cut:]
            else:
                tail = b""
            end = here + len(block)
            if end - start >= size:
                at = _boundary(block, kind, quotes)
                if at:
                    yield Range(path, start, here + at, line)
                    start, line = here + at, lines + block.count(b"\n", 0, at)
            quotes += block.count(b'"') if kind == "csv" else 0
            lines += block.count(b"\n")
            here = end
    if here + len(tail) > start:
        yield Range(path, start, None, line)


def _boundary(block: bytes, kind: SourceKind, quotes: int) -> int:
    """The place after the last row that ends in a block of whole lines; 0: none does."""
    if kind == "text":
        at = max(block.rfind(b"\n\n"), block.rfind(b"\n\r\n"))
        return block.index(b"\n", at + 1) + 1 if at >= 0 else 0
    if kind == "csv" and (quotes + block.count(b'"')) % 2:
        # The block ends inside a quoted cell. A later block will not, unless a stray quote stands in the file:
        # then the file is not cut again, which is slower and still right.
        return 0
    return len(block)
