"""Source `jsonl`: JSON Lines or a JSON array, with one object per row."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import orjson

from components.ingest.errors import RowError
from components.ingest.sources.base import RANGE_BYTES, Lines, Range, Row, Rows, Source, Sure, TextPathSpec
from components.ingest.sources.files import lines as text_lines
from components.ingest.sources.files.json_array import elements, is_array
from components.ingest.sources.files.text_form import check_text

_MARK = b"\xef\xbb\xbf"
_LONG = re.compile(rb"\d{19}")
_NOT_FINITE = re.compile(rb"NaN|Infinity")


class JsonlSpec(TextPathSpec):
    """JSON Lines: each line is a JSON object and makes one row. Or a JSON array: each of its objects makes one row."""

    kind: Literal["jsonl"]  # pyright: ignore[reportIncompatibleVariableOverride]


class Jsonl(Source[JsonlSpec]):
    """Source of JSON objects. Each row has its own columns."""

    Spec = JsonlSpec
    endings = (".jsonl", ".ndjson", ".json")

    def rows(self, file_range: Range, used: Sequence[str], lines: Lines) -> Rows:
        """Yield the object of each line that is not blank, or the objects of an array with their numbers from 1."""
        if file_range.start == 0 and is_array(check_text(file_range.path, self.spec.encoding)):
            found = elements(text_lines.blocks(file_range, Lines(), self.spec.encoding), file_range.path)
            yield from ((number, _object(row)) for number, row in enumerate(found, 1))
            return
        for number, line in enumerate(text_lines.read(file_range, lines, self.spec.encoding), file_range.line):
            if not line.strip():
                lines.blank += 1
                continue
            lines.rows += 1
            try:
                row = _parsed(line)
            except orjson.JSONDecodeError as error:
                yield number, _json_error(line, error)
                continue
            yield number, _object(row)

    def ranges(self, path: str, size: int = RANGE_BYTES) -> Iterator[Range]:
        """Yield ranges that start and end between lines, or one range for an array."""
        if is_array(check_text(path, self.spec.encoding)):
            return iter([Range(path)])
        return text_lines.cut(path, len, size, self.spec.encoding)

    def columns(self, file: str, used: Sequence[str]) -> None:
        """Check that the file is text. Each row has its own columns."""
        check_text(file, self.spec.encoding)

    @classmethod
    def recognize(cls, path: str, head: bytes) -> Sure:
        """Return the confidence by the name or by the first characters, such as `{` or `[{`."""
        if cls.named(path):
            return Sure.NAME_SAYS
        begins = head.removeprefix(_MARK).lstrip()[:1]
        array = begins == b"[" and is_array(head.removeprefix(_MARK))
        return Sure.CONTENT_SUGGESTS if array or begins in (b"{", b"") else Sure.NOT


def _object(row: Any) -> Row | RowError:
    if isinstance(row, dict):
        return row
    return RowError("not a JSON object", f"a {type(row).__name__} where an object belongs")


def _parsed(line: bytes) -> Any:
    """Parse a line, with Python's slower parser for integers beyond 64 bits, NaN and Infinity.

    Raises:
        orjson.JSONDecodeError: The line is not JSON.
    """
    if not _LONG.search(line):
        try:
            return orjson.loads(line)
        except orjson.JSONDecodeError:
            if not _NOT_FINITE.search(line):
                raise
    try:
        return json.loads(line)
    except ValueError:
        return orjson.loads(line)  # Raises the error of orjson.


def _json_error(line: bytes, error: json.JSONDecodeError) -> RowError:
    text = text_lines.decode(line)
    if isinstance(text, RowError):
        return text
    return RowError("not JSON", f"{error.msg} at character {error.colno}")
