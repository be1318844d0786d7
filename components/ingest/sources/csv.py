"""Parts of large files, cut at row boundaries, so that several workers read one file and none holds a whole file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow.parquet as pq

from components.ingest.csv_records import Dialect, end_of_records
from components.ingest.formats import after_mark, dialect_of, is_packed, open_source
from components.ingest.spec import SourceSpec

RANGE_BYTES = 8 << 20
BLOCK = 1 << 20


@dataclass(frozen=True)
class Range:
    """A part of a file that one worker reads.

    Attributes:
        path: The file.
        start: First byte, or first row group of Parquet.
        end: The byte (or row group) after the last one; None: to the end of the file.
        line: Number of the first line (or row), from 1.
        lines: Number of physical lines (or rows); None: not counted, because the file was not cut.
    """

    path: str
    start: int = 0
    end: int | None = None
    line: int = 1
    lines: int | None = None


def ranges(path: str, source: SourceSpec, size: int = RANGE_BYTES) -> Iterator[Range]:
    """Yield the parts of a file, in order; together they hold every row once.

    Plain text is cut at blank lines, JSON Lines at line ends, CSV between records, Parquet between row groups. What
    cannot be entered in the middle (compressed files, TFRecord) stays whole and is streamed.

    Args:
        path: The file.
        source: What kind of file it is, and how it is written.
        size: Least bytes of a part.

    Raises:
        BrokenFile: The file cannot be opened.
    """
    if source.kind == "parquet":
        with open_source(path, unpack=False) as stream:
            meta = pq.ParquetFile(stream).metadata
            row = 1
            for group in range(meta.num_row_groups):
                rows = meta.row_group(group).num_rows
                yield Range(path, group, group + 1, row, rows)
                row += rows
    elif source.kind in ("sotu", "tfrecord") or is_packed(path):
        yield Range(path)
    elif source.kind == "csv":
        yield from _cut_csv(path, dialect_of(path, source), size)
    else:
        boundary = _after_blank_line if source.kind == "text" else len
        yield from _cut_lines(path, boundary, size)


def _cut_lines(path: str, boundary: Callable[[bytes], int], size: int) -> Iterator[Range]:
    """Cut where a function of a block of whole lines says: the place after the last row that ends there, or 0."""
    start, line = 0, 1
    here, lines = 0, 1
    tail = b""
    with open_source(path, unpack=False) as stream:
        while block := stream.read(min(BLOCK, size)):
            # Only whole lines are looked at: the rest waits for the next block.
            block = tail + block
            cut = block.rfind(b"\n") + 1
            block, tail = block[:cut], block[cut:]
            end = here + len(block)
            if end - start >= size and (at := boundary(block)):
                after = lines + block.count(b"\n", 0, at)
                yield Range(path, start, here + at, line, after - line)
                start, line = here + at, after
            lines += block.count(b"\n")
            here = end
    if here + len(tail) > start:
        yield Range(path, start, None, line, lines + bool(tail) - line)


def _after_blank_line(block: bytes) -> int:
    at = max(block.rfind(b"\n\n"), block.rfind(b"\n\r\n"))
    return block.index(b"\n", at + 1) + 1 if at >= 0 else 0


def _cut_csv(path: str, dialect: Dialect, size: int) -> Iterator[Range]:
    """Cut between records. Whether a line starts one follows from all lines before it, so the pass is sequential."""
    start, line, lines = 0, 1, 1
    buffer = b""
    with open_source(path, unpack=False) as stream:
        here = after_mark(stream)
        stream.seek(here)
        while block := stream.read(min(BLOCK, size)):
            buffer += block
            at = end_of_records(buffer, 0, dialect, final=False)
            here += at
            lines += buffer.count(b"\n", 0, at)
            buffer = buffer[at:]
            if at and here - start >= size:
                yield Range(path, start, here, line, lines - line)
                start, line = here, lines
    if here + len(buffer) > start:
        lines += buffer.count(b"\n") + (bool(buffer) and not buffer.endswith(b"\n"))
        yield Range(path, start, None, line, lines - line)
