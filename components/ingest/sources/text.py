"""Source `text`: plain text, with one paragraph or one line per row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

from components.ingest.errors import RowError
from components.ingest.sources.base import RANGE_BYTES, Lines, Range, Row, Rows, Source, Sure, TextPathSpec
from components.ingest.sources.files import lines as text_lines
from components.ingest.sources.files.text_form import Encoding, check_text


class TextSpec(TextPathSpec):
    """Plain text. Each paragraph, which is the lines between two blank lines, makes one row; or each line makes one."""

    elsewhere: ClassVar[dict[str, str]] = {
        **TextPathSpec.elsewhere,
        "rows": "source.rows is of kind 'text', not '{kind}': remove it",
    }

    kind: Literal["text"]  # pyright: ignore[reportIncompatibleVariableOverride]
    rows: Literal["paragraph", "line"] = "paragraph"
    """`paragraph`: the lines between two blank lines make one row. `line`: each line that is not blank makes a row."""


class Text(Source[TextSpec]):
    """Source of paragraphs or lines: the text in the first input column, the name of the file in the column `file`."""

    Spec = TextSpec
    endings = (".txt", ".text", ".md")

    def rows(self, file_range: Range, used: Sequence[str], lines: Lines) -> Rows:
        """Yield the paragraphs or lines of a range, each with the name of its file."""
        name = file_range.path.rpartition("/")[2]
        texts = paragraphs if self.spec.rows == "paragraph" else _lines
        return (
            (n, with_text(text, used[0], {"file": name})) for n, text in texts(file_range, lines, self.spec.encoding)
        )

    def ranges(self, path: str, size: int = RANGE_BYTES) -> Iterator[Range]:
        """Yield ranges that start and end between rows."""
        boundary = _after_blank_line if self.spec.rows == "paragraph" else len
        return text_lines.cut(path, boundary, size, self.spec.encoding)

    def columns(self, file: str, used: Sequence[str]) -> list[str] | None:
        """Return the first input column and `file`, or None if the file is empty."""
        return [used[0], "file"] if check_text(file, self.spec.encoding) else None

    @classmethod
    def recognize(cls, path: str, head: bytes) -> Sure:
        """Return a low confidence for a known ending, because a `.txt` file may contain JSON Lines."""
        return Sure.NAME_ALLOWS if cls.named(path) else Sure.NOT


def paragraphs(file_range: Range, lines: Lines, encoding: Encoding = "utf-8") -> Iterator[tuple[int, str | RowError]]:
    """Yield the number of the first line of each paragraph, and its text or its fault."""
    held: list[bytes] = []
    number = file_range.line
    for number, line in enumerate(text_lines.read(file_range, lines, encoding), file_range.line):
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


def _lines(file_range: Range, lines: Lines, encoding: Encoding) -> Iterator[tuple[int, str | RowError]]:
    """Yield the number of each line that is not blank, and its text or its fault."""
    for number, line in enumerate(text_lines.read(file_range, lines, encoding), file_range.line):
        if line.strip():
            lines.rows += 1
            yield number, text_lines.decode(line)
        else:
            lines.blank += 1


def with_text(text: str | RowError, name: str, others: Row) -> Row | RowError:
    """Return a row with the text in the column `name`, or the fault of the text."""
    return text if isinstance(text, RowError) else {**others, name: text}


def _after_blank_line(block: bytes) -> int:
    at = max(block.rfind(b"\n\n"), block.rfind(b"\n\r\n"))
    return block.index(b"\n", at + 1) + 1 if at >= 0 else 0
