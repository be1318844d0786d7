"""Range of a file, which one worker reads, and the counts of its lines."""

from __future__ import annotations

from dataclasses import dataclass, field

RANGE_BYTES = 8 << 20
"""Minimum size of a range, unless it is the rest of a file."""


@dataclass(frozen=True)
class Range:
    """Range of a file that one worker reads.

    Attributes:
        path: The file.
        start: First byte, or first row group of Parquet.
        end: Byte (or row group) after the last one; None: to the end of the file.
        line: Number of the first line (or row), from 1.
        lines: Number of physical lines (or rows); None: not counted, because the file is one range.
        split: Split that the file belongs to; empty if the rows decide.
    """

    path: str
    start: int = 0
    end: int | None = None
    line: int = 1
    lines: int | None = None
    split: str = ""


@dataclass
class Lines:
    """Physical lines of a range of a text file, counted in two ways that must agree.

    A source that counts nothing here is not checked by lines.

    Attributes:
        counted: Line ends in the bytes that were read, plus an unfinished last line.
        header: Lines of a CSV header.
        blank: Lines between the rows.
        rows: Lines of all rows, bad rows included.
        doubtful: First lines of rows that contain lines like rows: a quote may be unclosed.
    """

    counted: int = 0
    header: int = 0
    blank: int = 0
    rows: int = 0
    doubtful: list[int] = field(default_factory=list)
