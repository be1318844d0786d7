"""Source `svmlight`: lines of labels and feature indices, as in the data sets of extreme classification."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from components.ingest.errors import RowError
from components.ingest.sources.base import LabelledLines, LabelledLinesSpec, Lines, Range, Rows, Sure
from components.ingest.sources.files import lines as text_lines

_SIZES = re.compile(r"\d+ \d+ \d+")
_LINE = re.compile(rb"(?:\d+ \d+ \d+|[\w,.-]* ?\d+:[-+\d.e]+(?: \d+:[-+\d.e]+)*)\s*\n")
_PAIR = re.compile(r"([^:\s]+):([-+]?[\d.]+(?:[eE][-+]?\d+)?)")


class SvmlightSpec(LabelledLinesSpec):
    """Lines such as `7,12 3:0.5 18:1`: the columns `label`, `labels` and `tokens`."""

    kind: Literal["svmlight"]  # pyright: ignore[reportIncompatibleVariableOverride]


class Svmlight(LabelledLines[SvmlightSpec]):
    """Source of lines with labels, a space, and pairs of the index and the value of a feature.

    The column `tokens` contains the indices whose value is not 0, in order; the values are not used. `label` contains
    one label, and `labels` the list of all labels of the line. A first line of three integers, the numbers of rows,
    features and labels, is a header. A comment begins with `#`.

    Source: http://manikvarma.org/downloads/XC/XMLRepository.html and https://www.cs.cornell.edu/people/tj/svm_light/
    """

    Spec = SvmlightSpec
    names = ("label", "labels", "tokens")
    endings = (".txt", ".svm", ".libsvm", ".svmlight")

    def rows(self, file_range: Range, used: Sequence[str], lines: Lines) -> Rows:
        """Yield the rows of each line that is not blank. A line without a label has one row, without a label."""
        for number, line in enumerate(text_lines.read(file_range, lines, self.spec.encoding), file_range.line):
            text = text_lines.decode(line)
            if isinstance(text, RowError):
                lines.rows += 1
                yield number, text
                continue
            text = text.partition("#")[0].rstrip()
            if not text.strip():
                lines.blank += 1
            elif number == 1 and _SIZES.fullmatch(text):
                lines.header += 1
            else:
                lines.rows += 1
                yield from ((number, row) for row in self._rows(text))

    def _rows(self, text: str) -> Iterator[dict | RowError]:
        # A line without a label begins with a space, or with the first pair.
        first, _, rest = ("", "", text) if _PAIR.match(text) else text.partition(" ")
        pairs = [_PAIR.fullmatch(pair) for pair in rest.split()]
        if None in pairs:
            wrong = next(text for text, pair in zip(rest.split(), pairs, strict=True) if pair is None)
            yield RowError("not index:value", f"{wrong!r} is no pair such as 3:0.5")
            return
        tokens = [pair[1] for pair in pairs if pair and float(pair[2])]
        yield from self.spec.rows_of([label for label in first.split(",") if label], tokens=tokens)

    @classmethod
    def recognize(cls, path: str, head: bytes) -> Sure:
        """Return the confidence by the first line, or a low confidence by the name."""
        if _LINE.match(head):
            return Sure.CONTENT_SUGGESTS
        return Sure.NAME_ALLOWS if cls.named(path) else Sure.NOT
