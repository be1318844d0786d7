"""Asks a pushed model: text or rows in; labels with their probabilities, numbers and further targets out."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from pydantic import ValidationError

from components.ingest.spec import DataSpec
from pipeline.cli.prediction.answer_files import AnswerFile, AnswerStream, answers_to
from pipeline.cli.prediction.answers import Answer, as_json, as_table, from_outputs
from pipeline.cli.prediction.questions import STANDARD_INPUT, PredictError, Question, Questions
from pipeline.terminal.exit_codes import FAILED

# One request's rows: enough to keep the cores busy, few enough for rows x labels to stay small.
ROWS = 256
_TOP = 10
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
    folder = _newest_version(model) if model else _latest(Path("runs"))
    about = _about(folder)
    data = _data(folder, about)
    top = _top(top, about, data)
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
        for batch in _ask(folder, questions, data, top):
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


def _top(top: int | None, about: Mapping[str, Any], data: DataSpec) -> int:
    """How many labels are shown."""
    if data.label_kind == "number":
        if top is not None:
            raise PredictError(f"--top {top}: this model answers a number, {data.label}, and no labels")
        return 0
    top = min(_TOP, about["top_k"]) if top is None else top
    if not 1 <= top <= about["top_k"]:
        raise PredictError(f"--top {top}: this model answers 1 to {about['top_k']} labels (trainer.top_k)")
    return top


def _latest(runs: Path) -> Path:
    versions = [path for path in runs.glob("*/serving/*") if path.name.isdigit()]
    if not versions:
        raise PredictError(f"no model was pushed yet under {runs}/: `bigvocab run` makes one, or name one by --model")
    return max(versions, key=lambda path: path.stat().st_mtime)


def _newest_version(folder: Path) -> Path:
    """The folder itself or, of the folder of all versions that model servers are given, the newest."""
    versions = [path for path in folder.glob("*") if path.name.isdigit() and path.is_dir()]
    return max(versions, key=lambda path: int(path.name)) if versions else folder


def _about(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / "assets.extra" / "bigvocab.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise PredictError(f"{folder} is no model of BigVocab: {error.strerror}: {error.filename}") from error


def _data(folder: Path, about: Mapping[str, Any]) -> DataSpec:
    """Return the configuration of the data that a model was trained from."""
    try:
        return DataSpec.model_validate(about["data"])
    except ValidationError as error:  # A source of the user's own that is not installed here.
        fault = error.errors()[0]
        reason = fault["msg"].removeprefix("Value error, ")
        raise PredictError(f"{folder}: data.{'.'.join(map(str, fault['loc']))}: {reason}") from error


def _features(settings: Iterable[str], data: DataSpec) -> dict[str, str]:
    values = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or name not in data.features:
            raise PredictError(f"--feature {setting}: expected NAME=VALUE with NAME one of {', '.join(data.features)}")
        values[name] = value
    return values


def _ask(
    folder: Path, questions: Iterable[Question], data: DataSpec, top: int
) -> Iterator[list[tuple[Question, Answer | None]]]:
    """Yield batches of questions with their answers; of an unusable row None."""
    model = None
    for batch in _batches(questions, ROWS):
        usable = [question.example for question in batch if question.example is not None]
        answers: Iterator[Answer] = iter(())
        if usable:
            # Not before some row is known to be right: loading takes seconds.
            model = model or _load(folder)
            import tensorflow as tf

            outputs = model.signatures["serving_default"](examples=tf.constant(usable))
            columns = {name: tensor.numpy().tolist() for name, tensor in outputs.items()}
            answers = (from_outputs(columns, row, data, top) for row in range(len(usable)))
        yield [(question, None if question.example is None else next(answers)) for question in batch]


def _load(folder: Path) -> Any:
    """The model, to be held as long as its signatures are used: they do not hold its variables."""
    import tensorflow as tf

    try:
        return tf.saved_model.load(str(folder))
    except OSError as error:
        raise PredictError(f"{folder}: the model cannot be loaded: {error}") from error


def _batches(questions: Iterable[Question], size: int) -> Iterator[list[Question]]:
    batch: list[Question] = []
    try:
        for question in questions:
            batch.append(question)
            if len(batch) == size:
                yield batch
                batch = []
    except PredictError:
        # The file breaks off. The rows before that place are answered, however they fall into batches.
        if batch:
            yield batch
        raise
    if batch:
        yield batch
