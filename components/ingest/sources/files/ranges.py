"""Range of a file, which one worker reads, and the counts of its lines."""

from __future__ import annotations

from dataclasses import dataclass, field

RANGE_BYTES = 8 << 20
"""Minimum size of a range in bytes, unless the range is the rest of a file."""


@dataclass(frozen=True)
class Range:
    """Range of a file that one worker reads.

    Attributes:
        path: Path of the file.
        start: First byte, or first row group of Parquet.
        end: Byte (or row group) after the last one. None: the end of the file.
        line: Number of the first line (or row), from 1.
        lines: Number of physical lines (or rows). None: not counted, because the file is one range.
        split: Split of the file; empty if rows are assigned one by one.
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

    The lines of a source that leaves these counts at 0 are not checked.

    Attributes:
        counted: Number of line ends in the bytes that were read, plus an unfinished last line.
        header: Number of lines of a CSV header.
        blank: Number of lines between the rows.
        rows: Number of lines of all rows, including bad rows.
        doubtful: Numbers of the first lines of rows that contain lines like rows: a quote may be unclosed.
    """

    counted: int = 0
    header: int = 0
    blank: int = 0
    rows: int = 0
    doubtful: list[int] = field(default_factory=list)
