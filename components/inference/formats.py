"""Formats of the answers to many rows: JSON Lines, CSV and Parquet, each written batch by batch."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from components.inference.answers import LINE_BREAKS, NO_ANSWER, Answer, as_data, as_json
from components.inference.rows.questions import Question
from components.ingest.spec import PROBABILITY, RESERVED_OUTPUTS, DataSpec
from components.ingest.values import text_of

REASON = "reason"
"""Column with the reason for a missing answer."""
_GROUP_ROWS = 50_000
Answered = tuple[Question, Answer | None]


class Format(Protocol):
    """Writer of answers in one format."""

    def add(self, answered: Sequence[Answered]) -> None:
        """Write the answers of a batch of rows."""
        ...

    def close(self) -> None:
        """Write the remaining answers."""
        ...


class JsonLines:
    """Writer of JSON Lines. With kept columns, a line is an object with these columns and the answer.

    Args:
        write: Function that takes the bytes of the file in order.
        data: Data specification of the model.
        keep: Columns of the rows to copy to the answers.
    """

    def __init__(self, write: Callable[[bytes], object], data: DataSpec, keep: Sequence[str] = ()) -> None:
        self._write, self._data, self._keep = write, data, keep
        self._name = "value" if data.label_kind == "number" else "labels"

    def add(self, answered: Sequence[Answered]) -> None:
        """Write a line for each row."""
        # Texts from the command line may be invalid Unicode.
        self._write("".join(map(self._line, *zip(*answered, strict=True))).encode(errors="backslashreplace"))

    def close(self) -> None:
        """Do nothing: each line is complete."""

    def _line(self, question: Question, answer: Answer | None) -> str:
        if not self._keep:
            return as_json(answer, self._data) if answer is not None else NO_ANSWER
        found = as_data(answer, self._data) if answer is not None else None
        said = found if isinstance(found, dict) else {self._name: found}
        reason = {} if answer is not None else {REASON: question.reason}
        line = json.dumps({**question.kept, **said, **reason}, ensure_ascii=False, default=_plain)
        return line.translate(LINE_BREAKS) + "\n"


class Csv:
    """Writer of CSV with a header: kept columns, `label_1`, `probability_1` and so on, further targets, and `reason`.

    Args:
        write: Function that takes the bytes of the file in order.
        data: Data specification of the model.
        keep: Columns of the rows to copy to the answers.
        top: Number of labels in an answer.
    """

    def __init__(self, write: Callable[[bytes], object], data: DataSpec, keep: Sequence[str], top: int) -> None:
        self._write, self._data, self._keep, self._top = write, data, keep, top
        ranks = [f"{name}_{rank}" for rank in range(1, top + 1) for name in ("label", "probability")]
        value = ["value"] if data.label_kind == "number" else []
        self._rows([[*keep, *ranks, *value, *target_columns(data), REASON]])

    def add(self, answered: Sequence[Answered]) -> None:
        """Write a record for each row."""
        self._rows([self._record(question, answer) for question, answer in answered])

    def close(self) -> None:
        """Do nothing: each record is complete."""

    def _record(self, question: Question, answer: Answer | None) -> list[Any]:
        kept = [_plain(question.kept.get(name)) for name in self._keep]
        if answer is None:
            width = 2 * self._top + (self._data.label_kind == "number") + len(target_columns(self._data))
            return [*kept, *[""] * width, question.reason]
        labels = [cell for label, probability in answer["labels"] for cell in (label, f"{probability:.6g}")]
        labels += [""] * (2 * self._top - len(labels))
        value = [f"{answer['value']:.7g}"] if self._data.label_kind == "number" else []
        targets = [
            cell for found in answer["targets"].values() for cell in (found if isinstance(found, tuple) else [found])
        ]
        return [*kept, *labels, *value, *targets, ""]

    def _rows(self, rows: Sequence[Sequence[Any]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(rows)
        self._write(text.getvalue().encode(errors="backslashreplace"))


class Parquet:
    """Writer of Parquet: kept columns as texts, `labels` and `probabilities` as lists, further targets, and `reason`.

    Args:
        write: Function that takes the bytes of the file in order.
        data: Data specification of the model.
        keep: Columns of the rows to copy to the answers.
    """

    def __init__(self, write: Callable[[bytes], object], data: DataSpec, keep: Sequence[str]) -> None:
        self._data, self._keep = data, keep
        number = [("value", pa.float64())] if data.label_kind == "number" else []
        labels = [] if number else [("labels", pa.list_(pa.string())), ("probabilities", pa.list_(pa.float32()))]
        targets = []
        for name, target in data.targets.items():
            numbers = target.kind == "number"
            targets.append((name, pa.float64() if numbers else pa.string()))
            targets += [] if numbers else [(f"{name}{PROBABILITY}", pa.float32())]
        kept = [(name, pa.string()) for name in keep]
        self._schema = pa.schema([*kept, *labels, *number, *targets, (REASON, pa.string())])
        self._file = pq.ParquetWriter(_Sink(write), self._schema)
        self._held: list[dict[str, Any]] = []

    def add(self, answered: Sequence[Answered]) -> None:
        """Hold the rows until a row group is full."""
        self._held += [self._row(question, answer) for question, answer in answered]
        if len(self._held) >= _GROUP_ROWS:
            self._flush()

    def close(self) -> None:
        """Write the last row group and the footer."""
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        if self._held:
            self._file.write_table(pa.Table.from_pylist(self._held, self._schema))
            self._held = []

    def _row(self, question: Question, answer: Answer | None) -> dict[str, Any]:
        row: dict[str, Any] = {name: _plain(question.kept.get(name)) for name in self._keep}
        if answer is None:
            return {**row, REASON: question.reason}
        if self._data.label_kind == "number":
            row["value"] = answer["value"]
        else:
            # Of the labels above a threshold, there may be none.
            row["labels"], row["probabilities"] = ([found[part] for found in answer["labels"]] for part in (0, 1))
        for name, found in answer["targets"].items():
            if isinstance(found, tuple):
                row[name], row[f"{name}{PROBABILITY}"] = found
            else:
                row[name] = found
        return row


class _Sink(io.RawIOBase):
    """File object that passes the written bytes to a function."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        super().__init__()
        self._to = write

    def writable(self) -> bool:
        return True

    def write(self, block: Any) -> int:
        self._to(bytes(block))
        return len(block)


def target_columns(data: DataSpec) -> list[str]:
    """Return the columns of the further targets in a table of answers."""
    columns = []
    for name, target in data.targets.items():
        columns += [name] if target.kind == "number" else [name, f"{name}{PROBABILITY}"]
    return columns


def clashes(keep: Sequence[str], data: DataSpec) -> list[str]:
    """Return the kept columns that have the name of a column of the answers."""
    taken = {*RESERVED_OUTPUTS, REASON, *target_columns(data)}
    return [name for name in keep if name in taken or name.startswith(("label_", "probability_"))]


def _plain(value: Any) -> str | None:
    """Return a kept value as text; a list as JSON."""
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return text_of("", value)
