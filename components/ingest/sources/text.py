"""Source `text`: plain text, a paragraph a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from components.ingest.errors import RowError
from components.ingest.sources.base import RANGE_BYTES, Lines, PathSpec, Range, Row, Rows, Source, Sure
from components.ingest.sources.files import lines as text_lines
from components.ingest.sources.files.opening import check_text


class TextSpec(PathSpec):
    """Plain text: each paragraph, the lines between two blank lines, makes one row."""

    kind: Literal["text"]  # pyright: ignore[reportIncompatibleVariableOverride]


class Text(Source[TextSpec]):
    """Source of paragraphs: the text in the first input column, and the name of the file in the column `file`."""

    Spec = TextSpec
    endings = (".txt", ".text", ".md")

    def rows(self, file_range: Range, used: Sequence[str], lines: Lines) -> Rows:
        """Yield the paragraphs of a range, each with the name of its file."""
        name = file_range.path.rpartition("/")[2]
        return ((n, with_text(text, used[0], {"file": name})) for n, text in paragraphs(file_range, lines))

    def ranges(self, path: str, size: int = RANGE_BYTES) -> Iterator[Range]:
        """Yield ranges that start and end between paragraphs."""
        return text_lines.cut(path, _after_blank_line, size)

    def columns(self, file: str, used: Sequence[str]) -> list[str] | None:
        """Return the first input column and `file`, or None if the file is empty."""
        return [used[0], "file"] if check_text(file) else None

    @classmethod
    def recognize(cls, path: str, head: bytes) -> Sure:
        """Return a low confidence for a known ending: a `.txt` file may hold JSON Lines."""
        return Sure.NAME_ALLOWS if cls.named(path) else Sure.NOT


def paragraphs(file_range: Range, lines: Lines) -> Iterator[tuple[int, str | RowError]]:
    """Yield the number of the first line of each paragraph, and its text or its fault."""
    held: list[bytes] = []
    number = file_range.line
    for number, line in enumerate(text_lines.read(file_range, lines), file_range.line):
        if line.strip():
            held.append(line)
            lines.rows += 1
        else:
            lines.blank += 1
            if held:
                yield number - len(held), text_lines.decode(b"\n".join(held))
                held = []
    if held:
        yield number - len(held) + 1, text_lines.decode(b"\n".join(held))


def with_text(text: str | RowError, name: str, others: Row) -> Row | RowError:
    """Return a row with the text in a column of this name, or the fault of the text."""
    return text if isinstance(text, RowError) else {**others, name: text}


def _after_blank_line(block: bytes) -> int:
    at = max(block.rfind(b"\n\n"), block.rfind(b"\n\r\n"))
    return block.index(b"\n", at + 1) + 1 if at >= 0 else 0
