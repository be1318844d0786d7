"""Source `jsonl`: JSON Lines, an object a row."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Literal

import orjson

from components.ingest.errors import RowError
from components.ingest.sources.base import RANGE_BYTES, Lines, PathSpec, Range, Rows, Source, Sure
from components.ingest.sources.files import lines as text_lines
from components.ingest.sources.files.opening import check_text

_MARK = b"\xef\xbb\xbf"


class JsonlSpec(PathSpec):
    """JSON Lines: each line is a JSON object and makes one row."""

    kind: Literal["jsonl"]  # pyright: ignore[reportIncompatibleVariableOverride]


class Jsonl(Source[JsonlSpec]):
    """Source of JSON objects. Each row has its own columns."""

    Spec = JsonlSpec
    endings = (".jsonl", ".ndjson", ".json")

    def rows(self, file_range: Range, used: Sequence[str], lines: Lines) -> Rows:
        """Yield the object of each line that is not blank."""
        for number, line in enumerate(text_lines.read(file_range, lines), file_range.line):
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

    def ranges(self, path: str, size: int = RANGE_BYTES) -> Iterator[Range]:
        """Yield ranges that start and end between lines."""
        return text_lines.cut(path, len, size)

    def columns(self, file: str, used: Sequence[str]) -> None:
        """Check that the file is text. Each row has its own columns."""
        check_text(file)

    @classmethod
    def recognize(cls, path: str, head: bytes) -> Sure:
        """Return the confidence by the name, or else by the first character, which may be `{`."""
        if cls.named(path):
            return Sure.NAME_SAYS
        begins = head.removeprefix(_MARK).lstrip()[:1]
        return Sure.CONTENT_SUGGESTS if begins in (b"{", b"") else Sure.NOT


def _json_error(line: bytes, error: json.JSONDecodeError) -> RowError:
    text = text_lines.decode(line)
    if isinstance(text, RowError):
        return text
    return RowError("not JSON", f"{error.msg} at character {error.colno}")
