r"""Scanner of delimited text that finds the end and the cells of each record.

The same scanner cuts and reads files, so the ranges of a file contain the records of the whole file. The grammar is the
strict grammar of RFC 4180:

    record = cell *(delimiter cell) line-end
    cell   = quote *(any but quote / two quotes) quote      quoted: may span lines
           / [any but quote, delimiter, line end  *(any but delimiter, line end)]

A record may instead be a comment: a line that begins with the comment characters of the dialect.

A quote opens a cell only at the start of the cell, and only a delimiter or a line end may follow the closing quote.
A record that breaks these rules is bad, and ends at the end of its first line. The next record starts there. Every
physical line is therefore in a record, in a bad record, or in a properly quoted cell.

Source: https://www.rfc-editor.org/rfc/rfc4180
"""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import regex

from components.ingest.errors import RowError
from components.ingest.sources.files.lines import ENCODING

CELL_LIMIT = 16 << 20
"""Maximum bytes of a record. It bounds the text that the scanner searches after an unclosed quote."""
_QUOTE = b'"'
# The scanner limits the size of records. Python's default limit for a cell is far lower.
csv.field_size_limit(CELL_LIMIT)
# Not `re`: in Python 3.11.2, the version in Debian 12, possessive quantifiers match text that they should not.
_Pattern = Any


@dataclass(frozen=True)
class Dialect:
    r"""Dialect of a file of delimited text.

    Attributes:
        delimiter: Characters between cells.
        quote: `double`: cells may be quoted. `line`: cells may be quoted, but a quoted cell must end on its first line.
            `none`: a quote is an ordinary character.
        escape: Escape character. In a quoted cell, it makes a quote or escape character after it an ordinary character,
            as in files that Spark writes. With `quote: none`, it does so for a delimiter, a line end or an escape
            character, as in files that databases write. Before any other character it is an ordinary character.
        comment: Characters at the start of a line that is a comment; empty without comments.
        encoding: Codec of the text in which the scanner finds the ends of records. Cells are always decoded from UTF-8.
    """

    delimiter: str = ","
    quote: Literal["double", "line", "none"] = "double"
    escape: str | None = None
    comment: str = ""
    encoding: str = "utf-8"

    @cached_property
    def delimiter_bytes(self) -> bytes:
        """Bytes of the delimiter in the file."""
        return self.delimiter.encode(self.encoding)

    @cached_property
    def escape_bytes(self) -> bytes:
        """Bytes of the escape character in the file; empty if the dialect has none."""
        return (self.escape or "").encode()

    @cached_property
    def comment_bytes(self) -> bytes:
        """Bytes of the comment characters in the file; empty without comments."""
        return self.comment.encode(self.encoding)

    @cached_property
    def special(self) -> bytes:
        """Character that can continue a record on the next line; empty if every line is a record."""
        if self.quote != "none":
            return _QUOTE
        return self.escape_bytes

    @cached_property
    def _plain(self) -> bytes:
        """Pattern of one character, or a run of characters, that is neither delimiter, escape nor line end."""
        first, *rest = (regex.escape(bytes([byte])) for byte in self.delimiter_bytes)
        escape = regex.escape(self.escape_bytes) if self.quote == "none" else b""
        run = rb"[^%s%s\r\n]++" % (first, escape)
        # The first character of a delimiter of several characters may also occur alone in a cell.
        return rb"(?:%s|%s(?!%s))" % (run, first, b"".join(rest)) if rest else run

    @cached_property
    def _cell(self) -> bytes:
        escape = regex.escape(self.escape_bytes)
        if self.quote == "none":
            return rb"(?:%s|%s(?:\r\n|[\s\S]))*+" % (self._plain, escape) if escape else rb"(?:%s)*+" % self._plain
        line = rb"\n" if self.quote == "line" else b""
        if escape:
            anything = rb"[^\n]" if line else rb"[\s\S]"
            quoted = rb'"(?:[^"%s%s]++|""|%s%s)*+"' % (escape, line, escape, anything)
        else:
            quoted = rb'"[^"%s]*+(?:""[^"%s]*+)*+"' % (line, line)
        return rb'(?:%s|(?!")(?:%s)*+)' % (quoted, self._plain)

    @cached_property
    def cell(self) -> _Pattern:
        """Pattern of a well-formed cell."""
        return regex.compile(self._cell)

    @cached_property
    def record(self) -> _Pattern:
        """Pattern of a well-formed record with its line end."""
        return regex.compile(self._record)

    @cached_property
    def run(self) -> _Pattern:
        """Pattern of the longest run of well-formed records."""
        return regex.compile(rb"(?:%s)*+" % self._record)

    @cached_property
    def _record(self) -> bytes:
        record = rb"%s(?:%s%s)*+\r?\n" % (self._cell, regex.escape(self.delimiter_bytes), self._cell)
        comment = regex.escape(self.comment_bytes)
        return rb"(?:%s[^\n]*+\n|%s)" % (comment, record) if comment else record

    @cached_property
    def token(self) -> _Pattern:
        """Pattern of a cell of a well-formed record, with the delimiter or line end after it."""
        return regex.compile(rb"(%s)(%s|\r?\n)" % (self._cell, regex.escape(self.delimiter_bytes)))

    @cached_property
    def escaped(self) -> _Pattern:
        """Pattern of an escape character and the escaped character."""
        escape = regex.escape(self.escape_bytes)
        if self.quote == "none":
            return regex.compile(rb"%s(%s|%s|\r\n|[\r\n])" % (escape, escape, regex.escape(self.delimiter_bytes)))
        return regex.compile(rb'%s(%s|")|""' % (escape, escape) if escape else rb'()""')


def end_of_records(buffer: bytes, start: int, dialect: Dialect, final: bool) -> int:
    """Return the position after the last record that ends in a buffer.

    Text without quotes needs only a search for a byte; text with quotes needs a regular expression.

    Args:
        buffer: Bytes of a file.
        start: Position of the start of a record.
        dialect: Dialect of the file.
        final: True if the file ends with the buffer.
    """
    at = start
    while True:
        special = buffer.find(dialect.special, at) if dialect.special else -1
        # All lines before the one with the quote are records.
        at = buffer.rfind(b"\n", at, len(buffer) if special < 0 else special) + 1 or at
        if special < 0:
            return len(buffer) if final else at
        first = end_of_record(buffer, at, dialect, final)
        if first is None:
            return at
        at = first.end
        # The pattern of a run does not check the size of records.
        if len(buffer) - at <= CELL_LIMIT and (match := dialect.run.match(buffer, at)):
            at = match.end()


@dataclass(frozen=True)
class Record:
    """Record in a buffer.

    Attributes:
        end: Position after the record.
        fault: Fault of the record, or None.
    """

    end: int
    fault: RowError | None = None


def end_of_record(buffer: bytes, start: int, dialect: Dialect, final: bool) -> Record | None:
    """Return the record that starts at a position, or None if its end is not in the buffer.

    Args:
        buffer: Bytes of a file.
        start: Position of the start of the record.
        dialect: Dialect of the file.
        final: True if the file ends with the buffer, which then ends with a line feed.
    """
    if match := dialect.record.match(buffer, start):
        if match.end() - start <= CELL_LIMIT:
            return Record(match.end())
    elif not final and len(buffer) - start <= CELL_LIMIT and _may_go_on(buffer, start, dialect):
        return None
    line = buffer.find(b"\n", start)
    if line < 0:
        return None
    return Record(line + 1, _fault(buffer[start : line + 1], dialect))


def _may_go_on(buffer: bytes, at: int, dialect: Dialect) -> bool:
    """Return True if further bytes may complete a record that is not well-formed yet."""
    if dialect.quote == "line" and buffer.find(b"\n", at) >= 0:
        return False
    comment, delimiter = dialect.comment_bytes, dialect.delimiter_bytes
    if comment and (buffer.startswith(comment, at) or comment.startswith(buffer[at:])):
        return True
    while True:
        match = dialect.cell.match(buffer, at)
        if match is None:
            return True  # A quote is still open.
        end = match.end()
        if delimiter.startswith(buffer[end:]) or buffer[end:] in (b"\r", dialect.escape_bytes):
            return True
        if not buffer.startswith(delimiter, end):
            return False
        at = end + len(delimiter)


def _fault(line: bytes, dialect: Dialect) -> RowError:
    """Return the fault of a record from its first line only, so that a range has the same faults as the whole file."""
    at, match = 0, dialect.cell.match(line)
    while match and line.startswith(dialect.delimiter_bytes, match.end()):
        at = match.end() + len(dialect.delimiter_bytes)
        match = dialect.cell.match(line, at)
    shown = line.rstrip(b"\r\n").decode("utf-8", "replace")
    shown = repr(shown if len(shown) <= 60 else shown[:57] + "...")
    if match and match.end() > at and line[at : at + 1] == _QUOTE and dialect.quote != "none":
        what = "text follows a closing quote"
    elif match and line[match.end() :] in (b"\n", b"\r\n"):
        return RowError("long record", f"the record that begins with {shown} is longer than {CELL_LIMIT >> 20} MiB")
    elif match and line[match.end() : match.end() + 1] == b"\r":
        return RowError("carriage return", f"a carriage return stands in a cell without quotes: {shown}")
    elif dialect.quote == "none":
        return RowError("broken CSV", f"the file ends after an escape character: {shown}")
    elif dialect.quote == "line":
        what = "a cell that opens with a quote does not end on its line"
    else:
        what = "a cell that opens with a quote does not end with one"
    return RowError("broken quotes", f"{what}: {shown}; {_way_out(line, dialect)}")


def _way_out(line: bytes, dialect: Dialect) -> str:
    if not dialect.escape and rb"\"" in line:
        return "if a backslash stands before quotes inside cells, as Spark writes them, set data.source.escape: '\\'"
    way = "if quotes are ordinary characters here, set data.source.quote: none"
    return way + "; if quoted cells may span lines, double" if dialect.quote == "line" else way


@dataclass(frozen=True)
class Run:
    """Consecutive records.

    Attributes:
        text: Bytes of the records, with all line ends.
        quoted: True if a cell may be quoted or escaped; False if each line is a record.
        fault: Fault of the only record; None if the records are well-formed.
    """

    text: bytes
    quoted: bool = False
    fault: RowError | None = None


def runs(blocks: Iterator[bytes], dialect: Dialect) -> Iterator[Run]:
    """Yield the longest possible runs of records.

    Args:
        blocks: Bytes of a file, or of a range that starts and ends with a record.
        dialect: Dialect of the file.
    """
    buffer, final = b"", False
    while not final:
        block = next(blocks, b"")
        buffer, final = buffer + block, not block
        if final and buffer and not buffer.endswith(b"\n"):
            buffer += b"\n"
        at = 0
        while at < len(buffer):
            special = buffer.find(dialect.special, at) if dialect.special else -1
            if end := buffer.rfind(b"\n", at, len(buffer) if special < 0 else special) + 1:
                yield Run(buffer[at:end])
                at = end
            if special < 0:
                break
            match = dialect.run.match(buffer, at) if len(buffer) - at <= CELL_LIMIT else None
            if match and match.end() > at:
                yield Run(buffer[at : match.end()], quoted=True)
                at = match.end()
            elif (found := end_of_record(buffer, at, dialect, final)) is None:
                break
            else:
                yield Run(buffer[at : found.end], quoted=True, fault=found.fault)
                at = found.end
        buffer = buffer[at:]


def rows(blocks: Iterator[bytes], dialect: Dialect) -> Iterator[tuple[int, list[str] | RowError]]:
    """Yield the number of lines of each record, and its cells or its fault; see `runs`. A blank line has no cells."""
    for run in runs(blocks, dialect):
        yield from rows_of(run, dialect)


def rows_of(run: Run, dialect: Dialect) -> Iterator[tuple[int, list[str] | RowError]]:
    """Yield the number of lines of each record of a run, and its cells or its fault. A blank line has no cells."""
    if run.fault:
        yield 1, run.fault
    else:
        yield from (_rows if run.quoted else _plain_rows)(run.text, dialect)


def _plain_rows(lines: bytes, dialect: Dialect) -> Iterator[tuple[int, list[str] | RowError]]:
    """Yield the records of whole lines without quotes."""
    delimiter, comment = dialect.delimiter, dialect.comment_bytes
    if b"\r" not in lines and not comment:
        with contextlib.suppress(UnicodeDecodeError):
            yield from ((1, line.split(delimiter) if line else []) for line in lines[:-1].decode().split("\n"))
            return
    for line in lines[:-1].split(b"\n"):
        line = line.removesuffix(b"\r")
        if comment and line.startswith(comment):
            yield 1, []
            continue
        if b"\r" in line:
            yield 1, _fault(line + b"\n", dialect)
            continue
        text = _decoded(line)
        yield 1, text.split(delimiter) if text and isinstance(text, str) else text or []


def _rows(records: bytes, dialect: Dialect) -> Iterator[tuple[int, list[str] | RowError]]:
    """Yield the records of a run of well-formed records."""
    text = _decoded(records)
    if isinstance(text, RowError) or not _as_the_standard_library_reads(text, dialect):
        for match in dialect.record.finditer(records):
            record = match[0]
            if dialect.comment and record.startswith(dialect.comment_bytes):
                yield 1, []
                continue
            text = _decoded(record)
            cells = text if isinstance(text, RowError) else _cells(record, dialect)
            yield record.count(b"\n"), cells
        return
    reader = csv.reader(io.StringIO(text, newline="\n"), delimiter=dialect.delimiter, strict=True)
    before = 0
    for cells in reader:
        yield reader.line_num - before, cells
        before = reader.line_num


def _as_the_standard_library_reads(text: str, dialect: Dialect) -> bool:
    """Return True if Python's `csv` module, which is faster, reads well-formed records according to the grammar."""
    escaped = dialect.escape is not None and dialect.escape in text
    return dialect.quote != "none" and len(dialect.delimiter) == 1 and not dialect.comment and not escaped


def _cells(record: bytes, dialect: Dialect) -> list[str]:
    """Return the cells of a well-formed record, according to the grammar."""
    if record in (b"\n", b"\r\n"):
        return []
    found = []
    for match in dialect.token.finditer(record):
        cell = match[1]
        if dialect.quote == "none":
            cell = dialect.escaped.sub(rb"\1", cell)
        elif cell.startswith(_QUOTE):
            cell = dialect.escaped.sub(lambda escaped: escaped[1] or _QUOTE, cell[1:-1])
        found.append(cell.decode())
    return found


def _decoded(text: bytes) -> str | RowError:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        return RowError("not UTF-8", f"byte {error.object[error.start]:#04x} is not UTF-8 text; {ENCODING}")
