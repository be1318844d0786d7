"""Source `fasttext`: lines of labels and words in the format of fastText."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from components.ingest.errors import RowError
from components.ingest.sources.base import LabelledLines, LabelledLinesSpec, Lines, Range, Rows, Sure
from components.ingest.sources.files import lines as text_lines


class FasttextSpec(LabelledLinesSpec):
    """Lines such as `__label__cat a black animal`: the columns `label`, `labels` and `text`."""

    elsewhere: ClassVar[dict[str, str]] = {
        **LabelledLinesSpec.elsewhere,
        "prefix": "source.prefix is of kind 'fasttext', not '{kind}': remove it",
    }

    kind: Literal["fasttext"]  # pyright: ignore[reportIncompatibleVariableOverride]
    prefix: str = "__label__"
    """Prefix of a label."""


class Fasttext(LabelledLines[FasttextSpec]):
    """Source of lines in the format of fastText: the words in the column `text`, the label before them in `label`.

    The column `labels` contains the list of all labels of the line.

    Source: https://fasttext.cc/docs/en/supervised-tutorial.html
    """

    Spec = FasttextSpec
    names = ("label", "labels", "text")
    endings = (".txt", ".train", ".valid", ".test", ".ft")

    def rows(self, file_range: Range, used: Sequence[str], lines: Lines) -> Rows:
        """Yield the rows of each line that is not blank. A line without a label has one row, without a label."""
        for number, line in enumerate(text_lines.read(file_range, lines, self.spec.encoding), file_range.line):
            if not line.strip():
                lines.blank += 1
                continue
            lines.rows += 1
            text = text_lines.decode(line)
            if isinstance(text, RowError):
                yield number, text
                continue
            words = text.split()
            count = next((n for n, word in enumerate(words) if not word.startswith(self.spec.prefix)), len(words))
            labels = [word.removeprefix(self.spec.prefix) for word in words[:count]]
            for row in self.spec.rows_of(labels, text=" ".join(words[count:])):
                yield number, row

    @classmethod
    def recognize(cls, path: str, head: bytes) -> Sure:
        """Return a high confidence if the file begins with the usual prefix."""
        if head.startswith(b"__label__"):
            return Sure.CONTENT_SAYS
        return Sure.NAME_ALLOWS if cls.named(path) else Sure.NOT
