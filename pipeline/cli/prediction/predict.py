"""Asks a pushed model: text or rows in; labels with their probabilities, numbers and further targets out."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TextIO

from components.ingest.spec import DataSpec
from pipeline.cli.prediction.answer_files import AnswerFile, AnswerStream, answers_to
from pipeline.prediction.answers import as_json, as_table
from pipeline.prediction.model import PushedModel, newest_version, pushed_last
from pipeline.prediction.questions import STANDARD_INPUT, PredictError, Question, Questions
from pipeline.terminal.exit_codes import FAILED

_REASONS_SHOWN = 20


def predict(
    model: Path | None,
    texts: Sequence[str],
    rows_file: str | Path | None,
    top: int | None,
    features: Sequence[str],
    out: TextIO,
    output: Path | None = None,
) -> int:
    """Write the answers: a table for texts, JSON Lines for a file of rows, in the order of the rows.

    A line of JSON is the list of labels; of a model with further targets, or of a label that is a number, an object:
    `labels` or `value`, and each further target by its name. An unusable row has `null` in its place; the first
    reasons are told on standard error with file and line. With `output`, all reasons are in `OUTPUT.errors.jsonl`:
    `answer`, the line of `null`; `line`, the line of the row; `reason`.

    Memory use does not grow with the number of rows.

    Args:
        model: Folder of a model, or of its versions; None: the model pushed last under `runs/`.
        texts: Values of the input column of a model with one input.
        rows_file: Rows to ask in place of texts; `-` for standard input.
        top: How many labels are answered; None: 10, or all that the model answers.
        features: NAME=VALUE, each a feature of all texts.
        out: Where answers go without `output`, flushed after each batch.
        output: A file for the answers, which is complete or absent.

    Returns:
        0: all rows that can be used were answered.

    Raises:
        PredictError: No model, an unknown feature, `top` beyond what the model answers, or a file that cannot be read
            or written. With exit code `FAILED`: the file of rows is damaged, or no row of it can be used.
    """
    pushed = PushedModel(newest_version(model) if model else pushed_last(Path("runs")))
    data = pushed.data
    top = pushed.labels(top, "--top ")
    common = _features(features, data)
    if texts and len(data.inputs) > 1:
        raise PredictError(f"this model's inputs are the columns {', '.join(data.inputs)}: give rows with --input")
    if rows_file and features:
        raise PredictError(f"--feature {features[0]}: goes with TEXT: rows of --input have columns of their own")
    reader = Questions(data, _warn)
    if rows_file:
        name = "standard input" if str(rows_file) == STANDARD_INPUT else str(rows_file)
        if output and output.is_file() and Path(rows_file).exists() and output.samefile(rows_file):
            raise PredictError(f"--output {output}: the file of --input: name another one")
        questions, kind = reader.of_file(str(rows_file)), "rows"
    else:
        name, questions, kind = "the command", reader.of_texts(list(texts), common), "texts"
    with answers_to(output, out) as place:
        asked, unusable = 0, _Unusable(place)
        for batch in pushed.answers(questions, top):
            found = []
            for question, answer in batch:
                if answer is None:
                    unusable.add(asked + len(found) + 1, question)
                found.append(as_table(texts[asked + len(found)], answer, data) if texts else as_json(answer, data))
            place.write("".join(found))
            asked += len(found)
        unusable.summarize(asked, name, kind)
    return 0


class _Unusable:
    """Tells which rows have no answer, and why.

    Args:
        place: Of the answers.
    """

    def __init__(self, place: AnswerStream | AnswerFile) -> None:
        self._place = place
        self._count = 0

    def add(self, number: int, question: Question) -> None:
        """Tell why a question has no answer; `number` is that of the answer, from 1."""
        self._count += 1
        if self._count <= _REASONS_SHOWN:
            _warn(f"{question.where}: {question.reason}")
        self._place.unusable({"answer": number, "line": question.line, "reason": question.reason})

    def summarize(self, asked: int, name: str, kind: str) -> None:
        """Tell how many rows have no answer.

        Raises:
            PredictError: No row has one.
        """
        if not asked:
            _warn(f"bigvocab: {name} has no rows: no answers")
        elif self._count == asked:
            raise PredictError(f"none of the {asked} {kind} of {name} can be used: the reasons are above", FAILED)
        elif self._count:
            all_reasons = f"; all reasons: {self._place.reasons}" if self._place.reasons else ""
            _warn(f"bigvocab: {self._count} of {asked} {kind} cannot be used and have no answer{all_reasons}")


def _warn(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _features(settings: Iterable[str], data: DataSpec) -> dict[str, str]:
    values = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or name not in data.features:
            raise PredictError(f"--feature {setting}: expected NAME=VALUE with NAME one of {', '.join(data.features)}")
        values[name] = value
    return values
