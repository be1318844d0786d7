r'''Interface of a source of rows.

A source is a class, with a specification of its keys under `data.source`. A source of your own must define `rows`; the
other methods have defaults. The following source reads lines of cells, such as `the state|1946`:

    from components.ingest.sources.base import PathSpec, RowError, Source

    class CellsSpec(PathSpec):
        columns: list[str]
        separator: str = "|"

    class Cells(Source[CellsSpec]):
        """Source of lines of cells, with a separator between them."""

        Spec = CellsSpec
        endings = (".cells",)

        def rows(self, file_range, used, lines):
            with open(file_range.path, encoding="utf-8") as file:
                for number, line in enumerate(file, 1):
                    cells = line.rstrip("\n").split(self.spec.separator)
                    if len(cells) == len(self.spec.columns):
                        yield number, dict(zip(self.spec.columns, cells))
                    else:
                        yield number, RowError("wrong number of cells", f"{len(cells)} cells")

    source: {kind: "my_package.sources:Cells", path: rows.cells, columns: [words, year]}

A run calls `place` and `files` to find the files, `fingerprint` for the cache key, `columns` to check the
configuration, `ranges` to cut each file and, in workers, `rows` to read each range. Folders such as `country=DE` also
count as columns, see `read`.
'''

from __future__ import annotations

import abc
import enum
import glob
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from components.files import exists, is_remote, names_beside
from components.ingest.errors import BrokenFile, IngestError, RowError
from components.ingest.sources.files import lines as text_lines
from components.ingest.sources.files import placeholders
from components.ingest.sources.files.opening import file_name
from components.ingest.sources.files.partitions import partition_columns
from components.ingest.sources.files.placeholders import EVERYTHING
from components.ingest.sources.files.ranges import RANGE_BYTES, Lines, Range
from components.ingest.sources.files.table import Table
from components.ingest.sources.files.text_form import check_text
from components.ingest.sources.spec import LabelledLinesSpec, PathlessSpec, PathSpec, SourceSpec, TextPathSpec
from components.messages.spelling import did_you_mean

__all__ = [
    "RANGE_BYTES",
    "BrokenFile",
    "IngestError",
    "LabelledLines",
    "LabelledLinesSpec",
    "Lines",
    "PathSpec",
    "PathlessSpec",
    "Range",
    "Row",
    "RowError",
    "Rows",
    "Source",
    "SourceSpec",
    "Sure",
    "Table",
    "TextPathSpec",
]

_UNPACKED = 4
"""Estimated ratio of the unpacked size of a file to its packed size."""

Row = dict[str, Any]
"""Value of each column: text, a number, a list of them, or None."""
Rows = Iterator[tuple[int, Row | RowError]]
"""Number of a line (in Parquet and TFRecord: of a row) from 1, and the row or its fault."""


class Sure(enum.IntEnum):
    """Confidence that a file is of a kind. The kind with the highest confidence reads a file of `bigvocab predict`."""

    NOT = 0
    NAME_ALLOWS = 1
    CONTENT_SUGGESTS = 2
    NAME_SAYS = 3
    CONTENT_SAYS = 4


SpecT = TypeVar("SpecT", bound=SourceSpec)
LabelledSpecT = TypeVar("LabelledSpecT", bound=LabelledLinesSpec)


class Source(abc.ABC, Generic[SpecT]):
    """Source that finds its files, cuts them into ranges, and reads their rows.

    Several processes call the methods, so a source must not keep state between calls.

    Args:
        spec: Keys under `data.source`.
    """

    Spec: ClassVar[type[SourceSpec]] = PathSpec
    """Class of the specification."""
    endings: ClassVar[tuple[str, ...]] = ()
    """Endings of the file names, in lower case, without the ending of a compression. Empty: any name."""
    unnamed: ClassVar[bool] = True
    """True if the source also reads files without a known ending for `bigvocab predict`."""
    partial: ClassVar[bool] = False
    """True if rows have only the requested columns."""
    gathers: ClassVar[bool] = False
    """True if a file is read to its end before its first row is known, so that a look at the first rows takes long."""

    def __init__(self, spec: SpecT) -> None:
        self.spec = spec

    @abc.abstractmethod
    def rows(self, file_range: Range, used: Sequence[str], lines: Lines) -> Rows:
        """Yield the rows of a range, in order.

        Args:
            file_range: Range of a file, from `ranges`.
            used: Columns that the configuration uses, an input column first. Rows may lack other columns.
            lines: Counts of lines, which the method updates for a text file.

        Raises:
            BrokenFile: The file cannot be read to its end.
        """

    def ranges(self, path: str, size: int = RANGE_BYTES) -> Iterator[Range]:
        """Yield the ranges of a file, in order. Each row belongs to exactly one range. The default is a single range.

        Args:
            path: Path of the file.
            size: Minimum size of a range in bytes.

        Raises:
            BrokenFile: The file cannot be opened.
        """
        yield Range(path)

    def read(self, file_range: Range, used: Sequence[str], lines: Lines) -> Rows:
        """Yield the rows of a range with the columns that the names of folders define; see `rows`.

        A column of the row has precedence over a folder.
        """
        return _with_named(self.rows(file_range, used, lines), self._named(file_range, used))

    def blocks(self, file_range: Range, used: Sequence[str], lines: Lines) -> Iterator[Table | Rows]:
        """Yield the rows of a range in order, as tables if the source can read columns, otherwise one by one.

        The default is one by one. The rows of a table must be the rows that `rows` yields.
        """
        yield self.rows(file_range, used, lines)

    def read_blocks(self, file_range: Range, used: Sequence[str], lines: Lines) -> Iterator[Table | Rows]:
        """Yield the blocks of a range with the columns that the names of folders define; see `read`."""
        named = self._named(file_range, used)
        for block in self.blocks(file_range, used, lines):
            yield block.with_constants(named) if isinstance(block, Table) else _with_named(block, named)

    @staticmethod
    def _named(file_range: Range, used: Sequence[str]) -> Row:
        return {name: value for name, value in partition_columns(file_range.path).items() if name in used}

    def all_columns(self, file: str, used: Sequence[str]) -> list[str] | None:
        """Return the columns of a file and of the names of its folders; None as in `columns`."""
        columns = self.columns(file, used)
        return columns and [*columns, *(name for name in partition_columns(file) if name not in columns)]

    def columns(self, file: str, used: Sequence[str]) -> list[str] | None:
        """Return the columns of a file, or None if each row has its own columns or the file is empty.

        Args:
            file: Path of the file.
            used: Columns that the configuration uses, an input column first.

        Raises:
            BrokenFile: The file is not of this kind, or damaged at its start.
        """
        return None

    def advice(self, file: str, used: Sequence[str]) -> str:
        """Return advice on the keys to set if a file has none of the used columns. The default is an empty text.

        Args:
            file: Path of the file.
            used: Columns that the configuration uses.
        """
        return ""

    def place(self, root: Path) -> tuple[str, str]:
        """Return the folder of the source and the pattern of its files, in the form that ExampleGen requires.

        A path that does not exist on this machine may exist on the machine that runs the pipeline. Such a path without
        an ending counts as a folder.

        Args:
            root: Base folder of a relative path.

        Returns:
            (folder, pattern). The pattern `EVERYTHING` matches all files of the source below the folder.
        """
        from components.ingest.sources.files.listing import folder_and_pattern

        return folder_and_pattern(self.spec.path, root) if self.spec.path else (self.spec.kind, EVERYTHING)

    def folder(self, base: str) -> str:
        """Return the path of a folder from `place` on the machine that reads it."""
        return base

    def files(self, base: str, pattern: str) -> list[str]:
        """Return the sorted files of a pattern.

        Args:
            base: Folder, from `place`.
            pattern: Pattern, from `place`, with the numbers of a span in place of placeholders.

        Raises:
            IngestError: No file matches, or all files are empty. The message names the nearest file. Or a file exists
                twice, packed and unpacked.
        """
        from components.ingest.sources.files.listing import list_files

        return list_files(self.folder(base), pattern, self.takes, self.endings, self.newest)

    def takes(self, path: str) -> bool:
        """Return True if a file in a folder belongs to the source, by its name, packed or not, in any letter case."""
        return not self.endings or self.named(path)

    def newest(self, folder: str) -> set[str] | None:
        """Return the current files of a folder that also contains older versions of rows; None for other folders."""
        return None

    def fingerprint(self, files: list[str], base: str) -> str:
        """Return a hash that changes when a file is added, removed, renamed or changed.

        Args:
            files: Files, from `files`.
            base: Folder, from `place`.
        """
        from components.ingest.sources.files.listing import fingerprint

        return fingerprint(files, self.folder(base))

    def size(self, files: Iterable[str]) -> int:
        """Estimate the unpacked size of files in bytes, which determines the numbers of ranges and shards."""
        from components.ingest.sources.files.listing import length

        return sum(length(file) * (_UNPACKED if self.packed(file) else 1) for file in files)

    def packed(self, path: str) -> bool:
        """Return True if a file is smaller than its contents, by its name."""
        return bool(file_name(path)[1])

    def label(self, file: str) -> str:
        """Return the display name of a file."""
        return file

    def missing(self) -> list[str]:
        """Return a message for each path that does not exist on this machine. Called before the run starts."""
        return [fault for key, path in self.spec.paths.items() if (fault := _missing(key, path))]

    def schema_file(self) -> str | None:
        """Return the path of the curated schema of the source, or None."""
        return None

    @property
    def has_spans(self) -> bool:
        """True if the rows come in spans."""
        return bool(self.spec.path and placeholders.has_spans(self.spec.path))

    def span_name(self, span: int) -> str:
        """Return the display name of a span."""
        return placeholders.name_of(self.spec.path or "", span)

    @classmethod
    def named(cls, path: str) -> bool:
        """Return True if the name of a file has one of the endings, packed or not, in any letter case."""
        return file_name(path)[0].endswith(cls.endings)

    @classmethod
    def recognize(cls, path: str, head: bytes) -> Sure:
        """Return the confidence that a file of `bigvocab predict` is of this kind.

        Args:
            path: Path of the file.
            head: First bytes of the file.
        """
        return Sure.NAME_SAYS if cls.named(path) else Sure.NOT


class LabelledLines(Source[LabelledSpecT]):
    """Source of lines with any number of labels each, and the same columns in all files."""

    names: ClassVar[tuple[str, ...]]
    """Names of the columns."""

    def ranges(self, path: str, size: int = RANGE_BYTES) -> Iterator[Range]:
        """Yield ranges that start and end between lines."""
        return text_lines.cut(path, len, size, self.spec.encoding)

    def columns(self, file: str, used: Sequence[str]) -> list[str] | None:
        """Return the columns, which are the same for all files; None if the file is empty."""
        return [*self.names] if check_text(file, self.spec.encoding) else None


def _with_named(rows: Rows, named: Row) -> Rows:
    if not named:
        return rows
    return ((number, row if isinstance(row, RowError) else {**named, **row}) for number, row in rows)


def _missing(key: str, path: str) -> str:
    """Return a message if a path does not exist on this machine, or an empty text."""
    if is_remote(path) or exists(path):
        return ""
    if "\0" not in path and glob.glob(placeholders.every(path), recursive=True):  # `glob` raises for a null character.
        return ""
    return f"data.source.{key}: {path} is not there{did_you_mean(Path(path).name, names_beside(path))}"
