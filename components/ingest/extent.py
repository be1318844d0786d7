"""Extent of a source, estimated before a run reads its rows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.files import exists, is_remote
from components.ingest.errors import IngestError
from components.ingest.rows.columns import columns_read
from components.ingest.sources.base import Lines, Row, Source
from components.ingest.sources.registry import source_of
from components.ingest.spec import DataSpec
from components.ingest.split_files import list_by_split
from components.ingest.values import nested

_ROWS = 500
"""Rows that are read to learn the share of the used columns and the length of the tokens."""
_WORD_BYTES, _ROW_BYTES = 6, 100
"""Length of a token with its separator, and of a row. In English text, a word has 4.7 letters on average."""
_TOKEN_BYTES = {"words": _WORD_BYTES, "whitespace": _WORD_BYTES, "characters": 1}
_GROWTH = 25
"""Factor of the square root of the number of tokens, for the number of distinct tokens: Heaps' law. It fits the State
of the Union addresses (17,000 words of 400,000) and the Ta-Feng grocery (24,000 products of 800,000)."""


@dataclass(frozen=True)
class Extent:
    """Estimated amount of data that a run uses.

    Attributes:
        size: Unpacked size of the used columns of the used rows, in bytes.
        tokens: Number of tokens in the input columns.
        rows: Number of rows.
        columns: Number of used columns.
    """

    size: int
    tokens: int
    rows: int
    columns: int

    def distinct(self, most: int) -> int:
        """Return the estimated size of a vocabulary.

        Args:
            most: Maximum size of the vocabulary.
        """
        return min(most, int(_GROWTH * math.sqrt(self.tokens)))


def extent_of(data: DataSpec, spans: Sequence[int] = ()) -> Extent | None:
    """Estimate the extent of a source from the sizes of its files and its first rows.

    Args:
        data: Configuration of the source.
        spans: Spans that train together; empty if the source has no spans.

    Returns:
        The extent, or None if it is unknown: the files are not on this machine, or cannot be read.
    """
    source = source_of(data.source)
    if any(map(is_remote, data.source.paths.values())):
        return None
    try:
        files = _files(source, spans)
        if not files or not all(map(exists, files)):
            return None
        size = source.size(files) * data.share
        rows = [] if source.gathers else _sample(source, data, files)
    except (IngestError, OSError):  # The run reports the fault.
        return None
    if source.gathers:
        tokens = int(size / _TOKEN_BYTES.get(data.tokenizer, _WORD_BYTES))
        return Extent(int(size), tokens, int(size / _ROW_BYTES), len(columns_read(data)))
    used = [[nested(row, name)[1] for name in columns_read(data)] for row in rows]
    all_bytes = sum(_length(value) for row in rows for value in row.values())
    used_bytes = sum(_length(value) for row in used for value in row)
    if not used_bytes:
        return None
    tokens = sum(_tokens(nested(row, name)[1], data) for row in rows for name in data.inputs)
    size *= used_bytes / all_bytes
    return Extent(int(size), int(size * tokens / used_bytes), int(size * len(rows) / used_bytes), len(used[0]))


def _files(source: Source[Any], spans: Sequence[int]) -> list[str]:
    base, pattern = source.place(Path())
    if source.has_spans:
        # Imported here, because TFX takes seconds to load, and most sources have no spans.
        from components.compat.tfx.drivers import files_of_spans

        return [file for file, span, _ in files_of_spans(source.folder(base), pattern) if span in spans]
    return [file for part in list_by_split(source, base, pattern).values() for file in part]


def _sample(source: Source[Any], data: DataSpec, files: Sequence[str]) -> list[Row]:
    """Return the first rows of the largest file, with all columns."""
    file = max(files, key=lambda path: Path(path).stat().st_size)
    used = columns_read(data)
    columns = (source.all_columns(file, used) or used) if source.partial else used
    part = next(iter(source.ranges(file)), None)
    rows = itertools.islice(source.read(part, columns, Lines()), _ROWS) if part else ()
    return [row for _, row in rows if isinstance(row, dict)]


def _length(value: Any) -> int:
    if isinstance(value, list | tuple):
        return sum(map(_length, value))
    if isinstance(value, dict):
        return sum(_length(name) + _length(of) for name, of in value.items())
    return 0 if value is None else len(str(value)) + 1


def _tokens(value: Any, data: DataSpec) -> int:
    if isinstance(value, list | tuple):
        return len(value)
    if data.tokenizer != "none":
        return _length(value) // _TOKEN_BYTES[data.tokenizer]
    return str(value).count(data.separator) + 1 if data.separator else 1
