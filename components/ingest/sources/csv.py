"""Source `csv`: text delimited by commas, by tabs in a `.tsv` file, or by other characters."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from components.ingest.errors import BrokenFile, RowError
from components.ingest.sources.base import RANGE_BYTES, Lines, Range, Rows, Source, Table, TextPathSpec
from components.ingest.sources.files.delimited import records as csv_records
from components.ingest.sources.files.delimited.records import Dialect, Run, end_of_records
from components.ingest.sources.files.delimited.sniffing import DELIMITERS, guess
from components.ingest.sources.files.delimited.tables import table_of
from components.ingest.sources.files.lines import BLOCK, blocks
from components.ingest.sources.files.opening import file_name
from components.ingest.sources.files.text_form import check_text, form_of

_TABS = (".tsv", ".tab")
_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
"""The byte order mark, as a character."""
_OPTIONS = ("delimiter", "quote", "escape", "header", "columns", "comment", "skip")
_ELSEWHERE = "source.{key} is of kind 'csv', not '{{kind}}': remove it"


class CsvSpec(TextPathSpec):
    """Delimited text. Commas separate the cells, or tabs in a `.tsv` or `.tab` file, or the configured `delimiter`."""

    elsewhere: ClassVar[dict[str, str]] = {
        **TextPathSpec.elsewhere,
        **{key: _ELSEWHERE.format(key=key) for key in _OPTIONS},
    }

    kind: Literal["csv"]  # pyright: ignore[reportIncompatibleVariableOverride]
    delimiter: str | None = None
    r"""Characters between cells, such as `;`, `|`, `::` or `\t`. None: a tab in a `.tsv` or `.tab` file, otherwise a
    comma."""
    quote: Literal["double", "none"] | None = None
    """`double`: cells may be quoted, and two quotes inside a quoted cell mean one quote. `none`: a quote is an ordinary
    character. None: like `double`, except that with tabs between the cells a quoted cell must end on its line."""
    escape: str | None = None
    r"""Escape character, such as `\`. A quote after it belongs to the quoted cell, as in files that Spark writes. With
    `quote: none`, a delimiter or line end after it belongs to the cell, as in files that databases write. None: no
    escape character."""
    header: bool = True
    """True if the first row of each file has the names of the columns. False: `columns` names them."""
    columns: list[str] | None = None
    """Names of all columns of files without a header, in order."""
    comment: str | None = None
    """Characters at the start of a line that is a comment, such as `#`. None: no comments."""
    skip: int = Field(default=0, ge=0)
    """Number of lines at the start of each file, before the header, to skip."""

    @model_validator(mode="after")
    def _dialect_is_good(self) -> Self:
        faults = []
        special = {"delimiter": self.delimiter, "escape": self.escape, "comment": self.comment}
        if self.delimiter is not None and re.search(r'^$|["\r\n]', self.delimiter):
            faults.append(f"source.delimiter: {self.delimiter!r} cannot be one: write characters such as ';' or '::'")
        if self.escape is not None and (not re.fullmatch(r"[!-/:-@\[-`{-~]", self.escape) or self.escape in '",'):
            faults.append(f"source.escape: {self.escape!r} cannot be one: write a character such as '\\'")
        if self.comment is not None and re.search(r'^$|["\s]', self.comment):
            faults.append(f"source.comment: {self.comment!r} cannot be one: write a character such as '#'")
        equal = [key for key, value in special.items() if value and list(special.values()).count(value) > 1]
        if equal:
            faults.append(f"source.{' and source.'.join(equal)}: {special[equal[0]]!r} cannot be both")
        for key, value in special.items():
            if value and not _encodes(value, self.encoding):
                faults.append(f"source.{key}: the encoding {self.encoding} does not have {value!r}")
        if self.header and self.columns is not None:
            faults.append("source.columns: the header names the columns: remove it, or set source.header: false")
        if not self.header and not self.columns:
            faults.append("source.header: a file without a header needs source.columns, the names of all columns")
        if twice := sorted({name for name in self.columns or [] if (self.columns or []).count(name) > 1}):
            faults.append(f"source.columns: {', '.join(map(repr, twice))} stands twice")
        if faults:
            raise ValueError("; ".join(faults))
        return self


class Csv(Source[CsvSpec]):
    """Source of the records of delimited text, cut between records."""

    Spec = CsvSpec
    endings = (".csv", *_TABS)

    def rows(self, file_range: Range, used: Sequence[str], lines: Lines) -> Rows:
        """Yield the cells of each record by column, and a `RowError` for a record that cannot be read."""
        records = self._records(file_range, lines)
        for run in records.runs():
            yield from records.rows(run)

    def blocks(self, file_range: Range, used: Sequence[str], lines: Lines) -> Iterator[Table | Rows]:
        """Yield a table for each run of well-formed records, and the rows of other runs one by one."""
        records = self._records(file_range, lines)
        for run in records.runs():
            if (table := records.table(run, used)) is not None:
                yield table
            else:
                yield records.rows(run)

    def _records(self, file_range: Range, lines: Lines) -> _Records:
        skip = self.spec.skip if file_range.start == 0 else 0
        return _Records(
            dialect=self.dialect(file_range.path),
            names=self.header(file_range.path),
            has_header=self.spec.header,
            in_header=self.spec.header and file_range.start == 0,
            text=_without_lines(blocks(file_range, lines, self.spec.encoding), skip, lines),
            lines=lines,
            number=file_range.line + skip,
        )

    def ranges(self, path: str, size: int = RANGE_BYTES) -> Iterator[Range]:
        """Yield ranges that start and end between records.

        All lines before a line determine if the line starts a record, so the pass is sequential.
        """
        form = form_of(path, self.spec.encoding)
        if form.whole:
            yield Range(path)
            return
        dialect = dataclasses.replace(self.dialect(path), encoding=form.encoding)
        start, line, lines = 0, 1, 1
        here, skip = form.mark, self.spec.skip
        # The first range contains the header, and the lines before it.
        least = self._header(path)[1] if self.spec.header else skip
        buffer = b""
        for block in form.raw_blocks(min(BLOCK, size)):
            buffer += block
            at = 0
            while skip and (end := buffer.find(b"\n", at)) >= 0:
                at, skip = end + 1, skip - 1
            if not skip:
                at = end_of_records(buffer, at, dialect, final=False)
            here += at
            lines += buffer.count(b"\n", 0, at)
            buffer = buffer[at:]
            if lines > least and at and here - start >= size:
                yield Range(path, start, here, line, lines - line)
                start, line = here, lines
        if here + len(buffer) > max(start, form.mark):
            lines += buffer.count(b"\n") + (bool(buffer) and not buffer.endswith(b"\n"))
            yield Range(path, start, None, line, lines - line)

    def columns(self, file: str, used: Sequence[str]) -> list[str] | None:
        """Return the columns of the header or of `source.columns`, or None if the file is empty."""
        return (self.header(file) or None) if check_text(file, self.spec.encoding) else None

    def advice(self, file: str, used: Sequence[str]) -> str:
        """Return advice on the probable delimiter of the file, or on a probably missing header."""
        dialect = self.dialect(file)
        found = guess(check_text(file, self.spec.encoding), dialect)
        if found is None:
            return ""
        advice = []
        if found.dialect.delimiter != dialect.delimiter:
            delimiter = found.dialect.delimiter
            shown = {"\t": r'"\t"'}.get(delimiter, f"'{delimiter}'")
            advice.append(f"looks {DELIMITERS[delimiter]}-delimited: set data.source.delimiter: {shown}")
        if self.spec.header and not found.header and not set(used) & set(found.rows[0]):
            row = ", ".join(found.rows[0][:4]) + (", ..." if len(found.rows[0]) > 4 else "")
            advice.append(
                f"looks like a file without a header, its first row is '{row}': set data.source.header: false and "
                f"data.source.columns to the names of its {len(found.rows[0])} columns"
            )
        return "; ".join(advice)

    def header(self, path: str) -> list[str]:
        """Return the column names of a file: `source.columns`, or the first record that is not blank.

        The list is empty for an empty file.

        Raises:
            BrokenFile: The file cannot be read, or the header is not text of the encoding or breaks the rules of
                quoting.
        """
        return self.spec.columns or self._header(path)[0]

    def _header(self, path: str) -> tuple[list[str], int]:
        """Return the cells of the first record that is not blank, and the number of lines up to its end."""
        line = 1 + self.spec.skip
        lines = Lines()
        text = _without_lines(blocks(Range(path), lines, self.spec.encoding), self.spec.skip, lines)
        for spanned, cells in csv_records.rows(text, self.dialect(path)):
            if isinstance(cells, RowError):
                raise BrokenFile(f"{path}:{line}: the header cannot be read: {cells.reason}")
            line += spanned
            if cells:
                return cells, line - 1
        return [], 0

    def dialect(self, path: str) -> Dialect:
        """Return the dialect of a file, from the configuration or from the name of the file.

        Tabs separate the cells of a `.tsv` or `.tab` file. With tabs, a quote at the start of a cell is far more often
        an ordinary character than the start of a cell with line breaks. Cells with line breaks need `quote: double`.
        """
        delimiter = self.spec.delimiter or ("\t" if file_name(path)[0].endswith(_TABS) else ",")
        quote = self.spec.quote or ("line" if delimiter == "\t" else "double")
        return Dialect(delimiter, quote, self.spec.escape, self.spec.comment or "")


def _without_lines(blocks: Iterator[bytes], number: int, lines: Lines) -> Iterator[bytes]:
    """Yield blocks without their first lines, which count as lines of the header."""
    unfinished = False
    for block in blocks:
        at = 0
        while number and (end := block.find(b"\n", at)) >= 0:
            at, number = end + 1, number - 1
            lines.header += 1
        unfinished = at < len(block)
        if not number:
            yield block[at:]
    lines.header += number > 0 and unfinished


def _encodes(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _holds_rows(cells: list[str], delimiter: str) -> bool:
    """Return True if each inner line of a record looks like a row, which an unclosed quote may have joined."""
    inside = delimiter.join(cells).split("\n")[1:-1]
    return len(cells) > 1 and all(line.count(delimiter) == len(cells) - 1 for line in inside)


@dataclasses.dataclass
class _Records:
    """Records of a range.

    Attributes:
        dialect: Dialect of the file.
        names: Names of all columns.
        has_header: True if the file has a header.
        in_header: True if the next record is the header.
        text: Bytes of the range, from the header or the first record on.
        lines: Counts of lines, updated in place.
        number: Number of the next line.
    """

    dialect: Dialect
    names: list[str]
    has_header: bool
    in_header: bool
    text: Iterator[bytes]
    lines: Lines
    number: int

    def runs(self) -> Iterator[Run]:
        """Yield the runs of records. The header is a separate run."""
        for run in csv_records.runs(self.text, self.dialect):
            while self.in_header and not run.fault and (end := self._end_of_record(run.text)) < len(run.text):
                yield dataclasses.replace(run, text=run.text[:end])
                run = dataclasses.replace(run, text=run.text[end:])
            yield run

    def _end_of_record(self, text: bytes) -> int:
        found = csv_records.end_of_record(text, 0, self.dialect, final=True)
        return found.end if found else len(text)

    def table(self, run: Run, used: Sequence[str]) -> Table | None:
        """Return a run as a table, or None if its records must be read one by one."""
        if self.in_header:
            return None
        table = table_of(run, self.dialect, self.names, used, self.number)
        if table is not None:
            self.number += table.rows
            self.lines.rows += table.rows
        return table

    def rows(self, run: Run) -> Rows:
        """Yield the rows of a run with the numbers of their lines."""
        # Spreadsheets leave unnamed columns at the right. Rows may lack the cells of these columns.
        least = max((n for n, name in enumerate(self.names, 1) if name), default=0)
        for spanned, cells in csv_records.rows_of(run, self.dialect):
            line = self.number
            self.number += spanned
            if not cells:
                self.lines.blank += 1
                continue
            if self.in_header:
                self.in_header = False
                self.lines.header += spanned
                continue
            self.lines.rows += spanned
            if isinstance(cells, RowError):
                yield line, cells
            elif not least <= len(cells) <= len(self.names):
                named = "the header has" if self.has_header else "source.columns has"
                yield line, RowError("wrong number of cells", f"{len(cells)} cells, {named} {len(self.names)}")
            elif (cells == self.names and self.has_header) or cells[0].startswith(_MARK):
                reason = "the row repeats the header or starts with a byte order mark: files were joined"
                yield line, RowError("header again", reason)
            else:
                if spanned > 2 and _holds_rows(cells, self.dialect.delimiter):
                    self.lines.doubtful.append(line)
                yield line, dict(zip(self.names, cells, strict=False))
