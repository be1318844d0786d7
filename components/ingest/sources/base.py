'''Interface of a source: where the rows of a pipeline come from.

A source is a class, with a specification of its keys under `data.source`. A source of your own needs the rows of a
range of a file; all else has a default. This one reads lines of cells, as in `the state|1946`:

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
                    cells = line.rstrip("\\n").split(self.spec.separator)
                    if len(cells) == len(self.spec.columns):
                        yield number, dict(zip(self.spec.columns, cells))
                    else:
                        yield number, RowError("wrong number of cells", f"{len(cells)} cells")

    source: {kind: "my_package.sources:Cells", path: rows.cells, columns: [words, year]}

The order in a run: `place` and `files` find the files, `fingerprint` belongs to ExampleGen's cache key, `columns`
are compared with the configuration, `ranges` cuts each file, and workers read the `rows` of each range.
'''

from __future__ import annotations

import abc
import enum
import glob
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

from pydantic import model_validator

from components.extensions import source_modules
from components.files import is_remote
from components.ingest.errors import BrokenFile, IngestError, RowError
from components.ingest.sources.files import placeholders
from components.ingest.sources.files.opening import file_name
from components.ingest.sources.files.placeholders import EVERYTHING
from components.ingest.sources.files.ranges import RANGE_BYTES, Lines, Range
from components.spec import Spec
from components.spelling import did_you_mean

__all__ = [
    "RANGE_BYTES",
    "BrokenFile",
    "IngestError",
    "Lines",
    "PathSpec",
    "Range",
    "Row",
    "RowError",
    "Rows",
    "Source",
    "SourceSpec",
    "Sure",
]

_UNPACKED = 4
"""A packed file is taken to hold so many times its size."""

Row = dict[str, Any]
"""Value of each column: text, a number, a list of them, or None."""
Rows = Iterator[tuple[int, Row | RowError]]
"""Line (of Parquet and TFRecord: row) from 1, and the row or its fault."""


class Sure(enum.IntEnum):
    """How surely a file is of a kind: the surest kind reads a file of rows that a model is asked."""

    NOT = 0
    NAME_ALLOWS = 1
    CONTENT_SUGGESTS = 2
    NAME_SAYS = 3
    CONTENT_SAYS = 4


class SourceSpec(Spec):
    """Source of the rows: the keys that every kind of source has."""

    elsewhere: ClassVar[dict[str, str]] = {}
    """Error message for each key of this kind that is set in a source of another built-in kind, `{kind}`."""

    kind: str
    path: str | None = None
    """File, folder or glob pattern. A relative path is relative to the configuration file. `{SPAN}` matches the number
    of a span; `{YYYY}`, `{MM}` and `{DD}` match the day of a span. In `clicks/day-{SPAN:3}/*.csv` the number has three
    digits. With either, `{VERSION}` matches the version of a span; only the newest version is read."""

    @property
    def source_modules(self) -> tuple[str, ...]:
        """User modules that implement the source."""
        return source_modules(self.kind)


class PathSpec(SourceSpec):
    """Source that requires a path."""

    @model_validator(mode="after")
    def _path_is_good(self) -> Self:
        if not self.path:
            raise ValueError(f"source.path is needed with kind '{self.kind}'")
        if faults := placeholders.faults(self.path):
            raise ValueError(f"source.path: {'; '.join(faults)}")
        return self


SpecT = TypeVar("SpecT", bound=SourceSpec)


class Source(abc.ABC, Generic[SpecT]):
    """Kind of source: finds its files, cuts them, and reads their rows.

    Methods are called in several processes: a source keeps nothing between calls.

    Args:
        spec: Keys under `data.source`.
    """

    Spec: ClassVar[type[SourceSpec]] = PathSpec
    """Class of the specification."""
    endings: ClassVar[tuple[str, ...]] = ()
    """Endings of the names of its files, in lower case and without that of a compression. Empty: any name."""
    unnamed: ClassVar[bool] = True
    """Whether a file without a known ending, that a model of this source is asked, is read by it."""
    partial: ClassVar[bool] = False
    """Whether rows have those columns alone that are asked for."""

    def __init__(self, spec: SpecT) -> None:
        self.spec = spec

    @abc.abstractmethod
    def rows(self, file_range: Range, used: Sequence[str], lines: Lines) -> Rows:
        """Yield the rows of a range, in order.

        Args:
            file_range: Range of a file, from `ranges`.
            used: Columns that the configuration uses, an input column first. Other columns may be left out.
            lines: Takes the counts of lines of a text file.

        Raises:
            BrokenFile: The file cannot be read to its end.
        """

    def ranges(self, path: str, size: int = RANGE_BYTES) -> Iterator[Range]:
        """Yield the ranges of a file, in order; together they hold every row once. By default, one range is the file.

        Args:
            path: The file.
            size: Minimum bytes of a range.

        Raises:
            BrokenFile: The file cannot be opened.
        """
        yield Range(path)

    def columns(self, file: str, used: Sequence[str]) -> list[str] | None:
        """Return the columns of a file; None if each row has its own, or if the file is empty.

        Args:
            file: The file.
            used: Columns that the configuration uses, an input column first.

        Raises:
            BrokenFile: The file is not of this kind, or damaged at its start.
        """
        return None

    def place(self, root: Path) -> tuple[str, str]:
        """Return the folder of the source and the pattern of its files, as ExampleGen takes them.

        A path that does not exist here may exist where the pipeline runs: it is a folder if it has no ending.

        Args:
            root: Folder that a relative path starts from.

        Returns:
            (folder, pattern). `EVERYTHING` stands for all files below the folder that the source takes.
        """
        from components.ingest.sources.files.listing import folder_and_pattern

        return folder_and_pattern(self.spec.path, root) if self.spec.path else (self.spec.kind, EVERYTHING)

    def folder(self, base: str) -> str:
        """Return a folder of `place` on the machine that reads it."""
        return base

    def files(self, base: str, pattern: str) -> list[str]:
        """Return the files of a pattern, sorted.

        Args:
            base: Folder, from `place`.
            pattern: From `place`, with the numbers of a span in place of placeholders.

        Raises:
            IngestError: There is no file, or each is empty; the message names the nearest one. Or one file is there
                twice, packed and unpacked.
        """
        from components.ingest.sources.files.listing import list_files

        return list_files(self.folder(base), pattern, self.takes, self.endings, self.newest)

    def takes(self, path: str) -> bool:
        """Return whether a file in a folder is one of the source, by its name: packed or not, in any letter case."""
        return not self.endings or self.named(path)

    def newest(self, folder: str) -> set[str] | None:
        """Return the files of a folder that count, if it also holds older versions of rows; else None."""
        return None

    def fingerprint(self, files: list[str], base: str) -> str:
        """Return a hash that changes when a file is added, removed, renamed or changed.

        Args:
            files: From `files`.
            base: Folder, from `place`.
        """
        from components.ingest.sources.files.listing import fingerprint

        return fingerprint(files, self.folder(base))

    def size(self, files: Iterable[str]) -> int:
        """Estimate the bytes of the text in files, unpacked: it decides the numbers of ranges and of shards."""
        from components.ingest.sources.files.listing import length

        return sum(length(file) * (_UNPACKED if self.packed(file) else 1) for file in files)

    def packed(self, path: str) -> bool:
        """Return whether a file's name says that the file is smaller than its contents."""
        return bool(file_name(path)[1])

    def label(self, file: str) -> str:
        """Return the name of a file for people."""
        return file

    def missing(self) -> list[str]:
        """Return a message if the path does not exist on this machine; asked before anything runs."""
        path = self.spec.path
        if not path or is_remote(path) or Path(path).exists():
            return []
        if glob.glob(placeholders.every(path), recursive=True):
            return []
        parent = Path(path).parent
        near = did_you_mean(Path(path).name, [p.name for p in parent.iterdir()] if parent.is_dir() else [])
        return [f"data.source.path: {path} is not there{near}"]

    def schema_file(self) -> str | None:
        """Return the curated schema that the source brings, or None."""
        return None

    @property
    def has_spans(self) -> bool:
        """Whether the rows come in spans."""
        return bool(self.spec.path and placeholders.has_spans(self.spec.path))

    def span_name(self, span: int) -> str:
        """Return the name of a span for people."""
        return placeholders.name_of(self.spec.path or "", span)

    @classmethod
    def named(cls, path: str) -> bool:
        """Return whether a file's name has one of the endings, packed or not, in any letter case."""
        return file_name(path)[0].endswith(cls.endings)

    @classmethod
    def recognize(cls, path: str, head: bytes) -> Sure:
        """Return how surely a file that a model is asked is of this kind.

        Args:
            path: Its name.
            head: Its first bytes, as they are in the file.
        """
        return Sure.NAME_SAYS if cls.named(path) else Sure.NOT
