"""Pushed models and their answers."""

from __future__ import annotations

import itertools
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from pydantic import ValidationError

from components.inference.answers import Answer, as_data, from_outputs
from components.inference.errors import PredictError
from components.inference.rows.questions import Question, Questions
from components.ingest.spec import DataSpec
from components.messages.exit_codes import FAILED
from components.preprocessing.vocabulary import read_vocabulary
from components.training.export import description

# Rows of one request: enough to keep the cores busy, few enough to keep rows x labels small.
ROWS = 256
AHEAD = 2
"""Requests that run while the rows of the next request are read. TensorFlow releases Python's global lock meanwhile."""
_TOP = 10
_OF_LABELS = ("labels", "probabilities")
"""Outputs with a column for each label, the most probable first."""


class PushedModel:
    """Pushed model that returns the answers for rows.

    Args:
        folder: Folder of one version. TensorFlow loads the model with the first answer.

    Attributes:
        folder: Folder of the version.
        data: Data specification that the model was trained with.
        top_k: Maximum number of labels in an answer; None if the label is a number.
        own_metrics: Paths of the user-defined metrics, whose sums the signature `eval` returns.
        threshold: Probability from which a class counts as one of several labels; None if a row has one label.
        exclude_seen: True if the signature `eval` leaves the items of a row out of the ranking.
        description: All facts about the model.

    Raises:
        PredictError: The folder contains no model of BigVocab, or a user-defined source is not installed.
    """

    def __init__(self, folder: str | Path) -> None:
        about = _about(folder)
        self.folder = folder
        self.data = _data(folder, about)
        self.description = about
        self.top_k, self.threshold = about.top_k, about.threshold
        self.own_metrics, self.exclude_seen = about.metrics, about.exclude_seen
        self._loaded: Any = None

    def predict(self, rows: Sequence[Mapping[str, Any]], top: int | None = None, *, chosen: bool = False) -> list[Any]:
        """Return the answer to each row, in order.

        Args:
            rows: Values by column, as in a line of `bigvocab predict --input FILE.jsonl`. Each row needs the input
                columns. Features may be missing, and other columns are ignored.
            top: Number of labels in an answer. None: 10, or all labels that the model returns.
            chosen: True for the labels with at least the threshold of a model for several labels: see `chosen`.

        Returns:
            List of labels for each row, the most probable first, each `{"label": str, "probability": float}`. If the
            label is a number or the model has further targets, a dict for each row: `labels` or `value`, and each
            further target by its name.

        Raises:
            PredictError: A row cannot be used, `top` exceeds the number of labels that the model returns, or the model
                has no threshold.
        """
        top, least = self.chosen(top) if chosen else (self.labels(top), None)
        reader = Questions(self.data, lambda text: warnings.warn(text, stacklevel=4), model=self.folder)
        questions = list(reader.of_rows(rows))
        for question in questions:
            if question.example is None:
                raise PredictError(f"{question.where}: {question.reason}")
        batches = self.answers(questions, top, least=least)
        return [as_data(answer, self.data) for batch in batches for _, answer in batch if answer is not None]

    def labels(self, top: int | None, option: str = "top=") -> int:
        """Return the number of labels in an answer.

        Args:
            top: Requested number. None: 10, or all labels that the model returns.
            option: Name of the argument in messages.

        Raises:
            PredictError: The requested number exceeds the number of labels that the model returns.
        """
        if self.top_k is None or self.data.label_kind == "number":
            if top is not None:
                raise PredictError(f"{option}{top}: this model answers a number, {self.data.label}, and no labels")
            return 0
        top = min(_TOP, self.top_k) if top is None else top
        if not 1 <= top <= self.top_k:
            raise PredictError(f"{option}{top}: this model answers 1 to {self.top_k} labels (trainer.top_k)")
        return top

    def chosen(self, top: int | None, option: str = "chosen", of_top: str = "top=") -> tuple[int, float]:
        """Return the maximum number of labels in an answer, and the least probability of a label.

        Args:
            top: Requested maximum. None: all labels that the model returns.
            option: Name of the argument that asks for the chosen labels, in messages.
            of_top: Name of the argument `top` in messages.

        Raises:
            PredictError: The model was trained with one label per row, or `top` exceeds the number of labels.
        """
        if self.threshold is None:
            raise PredictError(
                f"{option}: this model has no threshold, because a row has one label: see data.label_kind: classes"
            )
        return self.labels(self.top_k if top is None else top, of_top), self.threshold

    def known_labels(self) -> frozenset[str]:
        """Return the labels that the model knows; none if the export has no vocabulary of labels."""
        file = Path(self.folder, "assets", "labels")
        return frozenset(read_vocabulary(file).tokens if file.is_file() else ())

    def load(self) -> Any:
        """Load the model, unless it is already loaded, and return the SavedModel.

        Raises:
            PredictError: The files of the model are damaged.
        """
        self._loaded = self._loaded or _load(self.folder)
        return self._loaded

    def answers(
        self, questions: Iterable[Question], top: int, ahead: int = AHEAD, least: float | None = None
    ) -> Iterator[list[tuple[Question, Answer | None]]]:
        """Yield batches of questions with their answers; None for an unusable row.

        Args:
            questions: Rows, of which `ahead + 1` batches are held at a time.
            top: Number of labels in an answer.
            ahead: Number of further batches whose requests start before the answers of a batch are yielded. With 0, the
                answers of a batch do not wait for later rows.
            least: Least probability of a label in an answer. None: any.
        """
        for batch, outputs in self._asked(questions, "serving_default", ahead, top):
            columns, rows = {name: column.tolist() for name, column in outputs.items()}, itertools.count()
            yield [
                (
                    question,
                    None if question.example is None else from_outputs(columns, next(rows), self.data, top, least),
                )
                for question in batch
            ]

    def sums(self, questions: Iterable[Question]) -> Iterator[tuple[list[Question], dict[str, NDArray[Any]]]]:
        """Yield batches of questions with the sums of their usable rows, as the signature `eval` returns them.

        Args:
            questions: Rows with their labels, of which a few batches are held at a time.

        Yields:
            Batch, and arrays of shape (usable rows,) by name of the sum.
        """
        return self._asked(questions, "eval")

    def _asked(
        self, questions: Iterable[Question], signature: str, ahead: int = AHEAD, top: int = 0
    ) -> Iterator[tuple[list[Question], dict[str, NDArray[Any]]]]:
        """Yield batches of questions with the outputs for their usable rows; no outputs if no row is usable."""
        waiting: deque[tuple[list[Question], Future[dict[str, NDArray[Any]]]]] = deque()
        with ThreadPoolExecutor(max(1, ahead)) as pool:
            try:
                for batch in _batches(questions, ROWS):
                    usable = [question.example for question in batch if question.example is not None]
                    if usable:
                        # Loaded only after the first usable row, because loading takes seconds.
                        self.load()
                    waiting.append((batch, pool.submit(self._outputs, usable, signature, top)))
                    if len(waiting) > ahead:
                        first, outputs = waiting.popleft()
                        yield first, outputs.result()
            except PredictError:
                # The rows before a fault of the file still get their answers.
                yield from ((batch, outputs.result()) for batch, outputs in waiting)
                raise
            yield from ((batch, outputs.result()) for batch, outputs in waiting)

    def _outputs(self, examples: list[bytes], signature: str, top: int) -> dict[str, NDArray[Any]]:
        if not examples:
            return {}
        import tensorflow as tf

        if signature not in self._loaded.signatures:
            raise PredictError(f"{self.folder} is no model of BigVocab: it has no signature '{signature}'")
        try:
            found = self._loaded.signatures[signature](examples=tf.constant(examples))
        except tf.errors.OpError as error:
            reason = error.message.strip().partition("\n")[0]
            raise PredictError(f"{self.folder}: the model fails: {reason}", FAILED) from error
        if signature == "serving_default":
            # Slice the tensors first: each label that remains becomes a Python object.
            found = {name: tensor[:, :top] if name in _OF_LABELS else tensor for name, tensor in found.items()}
        return {name: tensor.numpy() for name, tensor in found.items()}


def _about(folder: str | Path) -> description.Description:
    try:
        about = description.read(folder)
        if about.data is None:
            raise ValueError("no data")
        return about
    except ValueError as error:
        raise PredictError(
            f"{folder} is no model of BigVocab: {description.FILE} is damaged; push the model again"
        ) from error
    except OSError as error:
        place = Path(folder)
        if place.name == "serving" and place.is_dir() and not any(place.iterdir()):
            raise PredictError(f"{folder} is empty: no model was pushed yet; the report of the run says why") from error
        raise PredictError(f"{folder} is no model of BigVocab: {error.strerror}: {error.filename}") from error


def _data(folder: str | Path, about: description.Description) -> DataSpec:
    """Return the data specification of the training of a model."""
    # A pushed model may be older than a renamed key. Keys that describe the run, not the model, are null.
    data = {
        key: value for key, value in (about.data or {}).items() if key in DataSpec.model_fields or value is not None
    }
    try:
        return DataSpec.model_validate(data)
    except ValidationError as error:  # A user-defined source that is not installed here.
        fault = error.errors()[0]
        reason = fault["msg"].removeprefix("Value error, ")
        raise PredictError(f"{folder}: data.{'.'.join(map(str, fault['loc']))}: {reason}") from error


def _load(folder: str | Path) -> Any:
    """Return the model. Keep a reference while its signatures are in use, because they do not hold its variables."""
    import components.compat.lazy  # noqa: F401  must precede TensorFlow

    # isort: split
    import tensorflow as tf

    try:
        return tf.saved_model.load(str(folder))
    except Exception as error:  # TensorFlow has many errors for a damaged file.
        raise PredictError(f"{folder}: the model cannot be loaded: {type(error).__name__}: {error}") from error


def _batches(questions: Iterable[Question], size: int) -> Iterator[list[Question]]:
    batch: list[Question] = []
    try:
        for question in questions:
            batch.append(question)
            if len(batch) == size:
                yield batch
                batch = []
    except PredictError:
        # The file is damaged at this point. The rows before it still get their answers, in an incomplete batch.
        if batch:
            yield batch
        raise
    if batch:
        yield batch
