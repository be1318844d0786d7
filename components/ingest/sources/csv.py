"""Source `csv`: delimited text, with commas, or with tabs in a `.tsv` file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from components.ingest.errors import BrokenFile, RowError
from components.ingest.sources.base import RANGE_BYTES, Lines, PathSpec, Range, Rows, Source
from components.ingest.sources.files import csv_records
from components.ingest.sources.files.csv_records import Dialect, end_of_records
from components.ingest.sources.files.lines import BLOCK, blocks
from components.ingest.sources.files.opening import after_mark, check_text, file_name, is_packed, open_source

_TABS = (".tsv", ".tab")
_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
"""The byte order mark, as a character."""
_ELSEWHERE = "source.quote and source.escape are of kind 'csv', not '{kind}': remove them"


class CsvSpec(PathSpec):
    """Delimited text with a header. Commas separate the cells, or tabs in a `.tsv` or `.tab` file."""

    elsewhere: ClassVar[dict[str, str]] = {**PathSpec.elsewhere, "quote": _ELSEWHERE, "escape": _ELSEWHERE}

    kind: Literal["csv"]  # pyright: ignore[reportIncompatibleVariableOverride]
    quote: Literal["double", "none"] | None = None
    """`double`: cells may be quoted, and two quotes inside a quoted cell mean one quote. `none`: a quote is an ordinary
    character. None: like `double`, except that in a `.tsv` file a quoted cell must end on its line."""
    escape: str | None = None
    r"""Escape character, such as `\`. It makes the quote after it belong to the quoted cell, as in files that Spark
    writes. With `quote: none`, it makes the delimiter or line end after it belong to the cell, as in files that
    databases write. None: no escape character."""

    @model_validator(mode="after")
    def _escape_is_good(self) -> Self:
        if self.escape is not None and (not re.fullmatch(r"[!-/:-@\[-`{-~]", self.escape) or self.escape in '",'):
            raise ValueError(f"source.escape: {self.escape!r} cannot be one: write a character such as '\\'")
        return self


class Csv(Source[CsvSpec]):
    """Source of the records of delimited text, cut between records."""

    Spec = CsvSpec
    endings = (".csv", *_TABS)

    def rows(self, file_range: Range, used: Sequence[str], lines: Lines) -> Rows:
        """Yield the cells of each record by column, and a `RowError` for a record that cannot be read."""
        dialect = self.dialect(file_range.path)
        names = self.header(file_range.path)
        # Spreadsheets leave columns without a name at the right. Rows may lack their cells.
        least = max((n for n, name in enumerate(names, 1) if name), default=0)
        header = file_range.start == 0
        number = file_range.line
        for spanned, cells in csv_records.rows(blocks(file_range, lines), dialect):
            line = number
            number += spanned
            if not cells:
                lines.blank += 1
                continue
            if header:
                header = False
                lines.header += spanned
                continue
            lines.rows += spanned
            if isinstance(cells, RowError):
                yield line, cells
            elif not least <= len(cells) <= len(names):
                yield line, RowError("wrong number of cells", f"{len(cells)} cells, the header has {len(names)}")
            elif cells == names or cells[0].startswith(_MARK):
                reason = "the row repeats the header or starts with a byte order mark: files were joined"
                yield line, RowError("header again", reason)
            else:
                if spanned > 2 and _holds_rows(cells, dialect.delimiter):
                    lines.doubtful.append(line)
                yield line, dict(zip(names, cells, strict=False))

    def ranges(self, path: str, size: int = RANGE_BYTES) -> Iterator[Range]:
        """Yield ranges that start and end between records.

        Whether a line starts a record depends on all lines before it, so the pass is in order.
        """
        if is_packed(path):
            yield Range(path)
            return
        dialect = self.dialect(path)
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

    def columns(self, file: str, used: Sequence[str]) -> list[str] | None:
        """Return the columns of the header, or None if the file is empty."""
        return (self.header(file) or None) if check_text(file) else None

    def header(self, path: str) -> list[str]:
        """Return the column names of a file: its first record that is not blank. An empty file has none.

        Raises:
            BrokenFile: The file cannot be read, or the header is not UTF-8 text or breaks the rules of quoting.
        """
        line = 1
        for spanned, cells in csv_records.rows(blocks(Range(path), Lines()), self.dialect(path)):
            if isinstance(cells, RowError):
                raise BrokenFile(f"{path}:{line}: the header cannot be read: {cells.reason}")
            if cells:
                return cells
            line += spanned
        return []

    def dialect(self, path: str) -> Dialect:
        """Return the dialect of a file, from the configuration or else from the name of the file.

        Tabs separate the cells of a `.tsv` or `.tab` file. There, a quote at the start of a cell is far more often an
        ordinary character than the start of a cell with line breaks. Such cells must be requested.
        """
        tabs = file_name(path)[0].endswith(_TABS)
        quote = self.spec.quote or ("line" if tabs else "double")
        return Dialect("\t" if tabs else ",", quote, self.spec.escape)


def _holds_rows(cells: list[str], delimiter: str) -> bool:
    """Return True if each inner line of a record looks like a row: an unclosed quote may have joined them."""
    inside = delimiter.join(cells).split("\n")[1:-1]
    return len(cells) > 1 and all(line.count(delimiter) == len(cells) - 1 for line in inside)
