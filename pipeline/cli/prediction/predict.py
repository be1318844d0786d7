"""Predictions of a pushed model for texts or rows.

An answer has labels with their probabilities, or a number, and the values of further targets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TextIO

from components.inference.errors import PredictError
from components.inference.formats import Answered, Csv, Format, JsonLines, Parquet, clashes
from components.inference.model import AHEAD, PushedModel
from components.inference.rows.questions import Questions
from components.inference.rows.reading import name_of_file
from components.ingest.spec import DataSpec
from components.messages.progress import Progress
from pipeline.cli.prediction.answer_files import answers_to
from pipeline.cli.prediction.unusable import Unusable, warn
from pipeline.prediction.answers import as_table
from pipeline.prediction.model import find_version


def predict(
    model: Path | None,
    texts: Sequence[str],
    rows_file: str | Path | None,
    top: int | None,
    features: Sequence[str],
    out: TextIO,
    output: Path | None = None,
    keep: Sequence[str] = (),
    chosen: bool = False,
) -> int:
    """Write the answers: a table for texts, JSON Lines for a file of rows, in the order of the rows.

    A line of JSON is the list of labels. If the model has further targets, or its label is a number, the line is an
    object with `labels` or `value`, and each further target by its name. An unusable row has the answer `null`.
    With `keep`, each line is an object that also contains these columns of the row. An output that ends in `.csv` or
    `.parquet` is a table, see `components.inference.formats`.

    Standard error shows the first reasons for missing answers, with file and line. With `output`, all reasons are
    written to `OUTPUT.errors.jsonl`, each with `answer`, the number of the answer; `line`, the line of the row; and
    `reason`.

    Memory use does not grow with the number of rows.

    Args:
        model: Folder of a model, or of its versions. None: the model pushed last under `runs/`.
        texts: Values of the input column of a model with one input.
        rows_file: File of rows, in place of texts. `-` is standard input.
        top: Number of labels in an answer. None: 10, or all labels that the model returns.
        features: Features of all texts, each as NAME=VALUE.
        out: Stream for the answers if `output` is None. Flushed after each batch.
        output: File for the answers, which is complete or absent.
        keep: Columns of the rows to copy to the answers.
        chosen: True for the labels with at least the threshold of a model for several labels, at most `top`.

    Returns:
        0: all usable rows were answered.

    Raises:
        PredictError: No model exists, a feature is unknown, the model has no threshold, `top` exceeds the number of
            labels that the model returns, or a file cannot be read or written. With exit code `FAILED`: the file of
            rows is damaged, or none of its rows is usable.
    """
    pushed = PushedModel(find_version(model))
    data = pushed.data
    least = None
    if chosen:
        top, least = pushed.chosen(top, "--chosen", "--top ")
    else:
        top = pushed.labels(top, "--top ")
    common = _features(features, data)
    if texts and len(data.inputs) > 1:
        raise PredictError(
            f"this model's inputs are the columns {', '.join(data.inputs)}: use --input with a file of rows"
        )
    if rows_file and features:
        raise PredictError(f"--feature {features[0]}: only allowed with TEXT; rows of --input have their own features")
    if clashing := clashes(keep, data):
        raise PredictError(f"--keep {clashing[0]}: the answers have a column of this name already")
    if keep and not rows_file:
        raise PredictError("--keep: only rows of --input have columns to keep")
    reader = Questions(data, warn, keep=keep, model=pushed.folder)
    if rows_file:
        name = name_of_file(str(rows_file))
        if output and output.is_file() and Path(rows_file).exists() and output.samefile(rows_file):
            raise PredictError(f"--output {output}: this is the --input file; choose another one")
        questions, kind, keep = reader.of_file(str(rows_file)), "rows", reader.kept(str(rows_file))
    else:
        name, questions, kind = "the command", reader.of_texts(list(texts), common), "texts"
    with answers_to(output, out) as place:
        asked, unusable = 0, Unusable(place, "have no answer", "answer")
        form = _format(place.write, output, data, keep, top, texts)
        is_file = rows_file is not None and Path(rows_file).is_file()
        total = reader.rows_of_file(str(rows_file)) if rows_file and output else None
        progress = Progress("predict", total, "rows") if total else None
        for batch in pushed.answers(questions, top, AHEAD if is_file else 0, least):
            for number, (question, answer) in enumerate(batch, asked + 1):
                if answer is None:
                    unusable.add(number, question)
            form.add(batch)
            asked += len(batch)
            if progress:
                progress.update(asked)
        form.close()
        if progress:
            progress.close()
        unusable.summarize(asked, name, kind)
        if not asked:
            warn(f"bigvocab: {name} has no rows: no answers")
    return 0


class _Tables:
    """Writer of the answers for texts, as tables for the terminal."""

    def __init__(self, write: Callable[[bytes], object], data: DataSpec, texts: Sequence[str]) -> None:
        self._write, self._data, self._texts = write, data, iter(texts)

    def add(self, answered: Sequence[Answered]) -> None:
        tables = [as_table(next(self._texts), answer, self._data) for _, answer in answered]
        self._write("".join(tables).encode(errors="backslashreplace"))

    def close(self) -> None:
        pass


def _format(
    write: Callable[[bytes], object],
    output: Path | None,
    data: DataSpec,
    keep: Sequence[str],
    top: int,
    texts: Sequence[str],
) -> Format:
    """Return the writer of the answers: tables for texts, otherwise the format of the ending of the output."""
    ending = output.suffix.lower() if output else ""
    if ending == ".csv":
        return Csv(write, data, keep, top)
    if ending in (".parquet", ".pq"):
        return Parquet(write, data, keep)
    return _Tables(write, data, texts) if texts else JsonLines(write, data, keep)


def _features(settings: Iterable[str], data: DataSpec) -> dict[str, str]:
    values = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        names = (*data.features, *data.token_columns)
        if not equals or name not in names:
            raise PredictError(f"--feature {setting}: expected NAME=VALUE with NAME one of {', '.join(names)}")
        values[name] = value
    return values
