"""Answers for ranges of files, each written as one shard."""

from __future__ import annotations

import contextlib
import json
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from components.files import move, open_bytes
from components.inference.errors import PredictError
from components.inference.formats import JsonLines
from components.inference.model import PushedModel
from components.inference.rows.questions import Questions
from components.ingest.sources.base import Range

UNFINISHED = "unfinished"
"""Folder of incomplete files."""
_REASONS_SHOWN = 20
_models: dict[str, PushedModel] = {}
_lock = threading.Lock()


@dataclass(frozen=True)
class Shard:
    """Result of the rows of one range.

    Attributes:
        number: Number of the shard, from 0.
        rows: Number of rows.
        unusable: Number of rows without an answer.
        reasons: First reasons for missing answers, each with the file and the line.
        warnings: Line for each missing column that another column resembles.
        fault: Reason why the range cannot be read to its end; empty otherwise.
    """

    number: int
    rows: int = 0
    unusable: int = 0
    reasons: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    fault: str = ""


@dataclass(frozen=True)
class ShardWriter:
    """Function that writes the answers for the rows of a range, and the reasons for missing answers.

    A retry of a worker writes the same files again. Memory use does not grow with the number of rows.

    Attributes:
        model: Folder of the model. A process loads it once.
        keep: Columns of the rows to copy to the answers.
        top: Number of labels in an answer.
        folder: Folder of the shards.
        count: Number of shards.
        least: Least probability of a label in an answer. None: any.
    """

    model: str
    keep: Sequence[str]
    top: int
    folder: str
    count: int
    least: float | None = None

    def __call__(self, number: int, file_range: Range, say: Callable[[int], object] = lambda rows: None) -> Shard:
        """Write `answers-N-of-M.jsonl`, and `errors-N-of-M.jsonl` if a row cannot be used.

        Args:
            number: Number of the shard, from 0.
            file_range: Range of rows.
            say: Function that takes the number of rows so far.
        """
        model = _model_of_process(self.model)
        rows, unusable, reasons, warnings = 0, 0, [], []
        questions = Questions(model.data, warnings.append, keep=self.keep, model=self.model).of_range(file_range)
        place = f"{number:05d}-of-{self.count:05d}.jsonl"
        try:
            with self._whole(f"answers-{place}") as answers, self._whole(f"errors-{place}") as errors:
                answers.open()
                form = JsonLines(answers.write, model.data, self.keep)
                for batch in model.answers(questions, self.top, least=self.least):
                    for line, (question, answer) in enumerate(batch, rows + 1):
                        if answer is None:
                            unusable += 1
                            about = {"answer": line, "file": file_range.path, "line": question.line}
                            errors.write(json.dumps({**about, "reason": question.reason}).encode() + b"\n")
                            if len(reasons) < _REASONS_SHOWN:
                                reasons.append(f"{question.where}: {question.reason}")
                    form.add(batch)
                    rows += len(batch)
                    say(rows)
        except PredictError as error:  # Returned, because other engines turn an exception into text with a traceback.
            return Shard(number, fault=str(error))
        return Shard(number, rows, unusable, reasons, warnings)

    @contextlib.contextmanager
    def _whole(self, name: str) -> Iterator[_Part]:
        """Yield a file. If it was opened and the context ends without an exception, the file gets its final name."""
        part = _Part(f"{self.folder}/{UNFINISHED}/{name}-{uuid.uuid4().hex}")
        try:
            yield part
        finally:
            part.close()
        if part.opened:
            move(part.path, f"{self.folder}/{name}")


class _Part:
    """File that the first write opens."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._stream: BinaryIO | None = None

    @property
    def opened(self) -> bool:
        return self._stream is not None

    def open(self) -> BinaryIO:
        self._stream = self._stream or open_bytes(self.path, "wb")
        return self._stream

    def write(self, contents: bytes) -> Any:
        return self.open().write(contents)

    def close(self) -> None:
        if self._stream:
            self._stream.close()


def _model_of_process(folder: str) -> PushedModel:
    """Return the model, which the threads of a process share. Only the most recent model stays in memory."""
    with _lock:
        if folder not in _models:
            _models.clear()
            model = PushedModel(folder)
            model.load()
            _models[folder] = model
        return _models[folder]
