"""Report of the unusable rows and the reasons."""

from __future__ import annotations

import sys

from components.inference.errors import PredictError
from components.inference.rows.questions import Question
from components.messages.exit_codes import FAILED
from components.messages.formatting import printable
from pipeline.cli.prediction.answer_files import AnswerFile, AnswerStream

_REASONS_SHOWN = 20


class Unusable:
    """Report of the unusable rows. Standard error shows the first reasons, and `place` gets all reasons.

    Args:
        place: Writer of the answers.
        consequence: Consequence for unusable rows, such as `have no answer`.
        numbered: Key of the number of a row in the file of all reasons.

    Attributes:
        count: Number of unusable rows.
    """

    def __init__(self, place: AnswerStream | AnswerFile, consequence: str, numbered: str) -> None:
        self.count = 0
        self._place = place
        self._consequence = consequence
        self._numbered = numbered

    def add(self, number: int, question: Question) -> None:
        """Report an unusable row and the reason.

        Args:
            number: Number of the row, from 1.
            question: Unusable row.
        """
        self.count += 1
        if self.count <= _REASONS_SHOWN:
            warn(f"{question.where}: {question.reason}")
        self._place.unusable({self._numbered: number, "line": question.line, "reason": question.reason})

    def summarize(self, asked: int, name: str, kind: str) -> None:
        """Report the number of unusable rows.

        Args:
            asked: Number of rows.
            name: Name of the source of the rows in messages.
            kind: `rows` or `texts`.

        Raises:
            PredictError: No row can be used.
        """
        if asked and self.count == asked:
            raise PredictError(f"none of the {asked} {kind} of {name} can be used: the reasons are above", FAILED)
        if self.count:
            all_reasons = f"; all reasons: {self._place.reasons}" if self._place.reasons else ""
            warn(f"bigvocab: {self.count} of {asked} {kind} cannot be used and {self._consequence}{all_reasons}")


def warn(line: str) -> None:
    """Write a line to standard error."""
    print(printable(line, "\n"), file=sys.stderr, flush=True)
