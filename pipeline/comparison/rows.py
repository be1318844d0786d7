"""Rows of a comparison: the test rows of a run, or the rows of a file, as each model reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.inference.errors import PredictError
from components.inference.model import PushedModel
from components.inference.rows.questions import Question, Questions
from components.inference.rows.reading import STANDARD_INPUT
from components.ingest.rows.columns import columns_of
from components.ingest.spec import DataSpec
from components.messages.exit_codes import UserError
from components.messages.formatting import listed
from pipeline.comparison.sides import Side

_AS_STORED = (
    "shape", "inputs", "label", "label_kind", "tokenizer", "lowercase", "separator", "label_separator",
    "whole_numbers", "missing", "baskets",
)  # fmt: skip
"""Keys of `data` that determine the tokens and the label of a stored row."""
_SPLITS = ("source", "splits", "split_by", "group_by", "order_by", "session_gap", "max_length")
"""Keys of `data` that determine the test rows."""


@dataclass(frozen=True)
class Rows:
    """Rows that all models are measured on.

    Attributes:
        name: Name of the rows for people.
        questions: Questions of each model, which are read at once. The n-th question of each model is the n-th row.
        notes: Sentences on the rows that a reader of the figures must know.
        total: Approximate number of rows; None if it is unknown before reading.
    """

    name: str
    questions: list[Iterator[Question]]
    notes: list[str]
    total: int | None = None


def rows_of_file(models: Sequence[PushedModel], file: str, warn: Callable[[str], None]) -> Rows:
    """Return the rows of a file, which each model reads as in its own training.

    Args:
        models: The models.
        file: File of rows with labels, as for `bigvocab evaluate`.
        warn: Function that prints a line of warning.

    Raises:
        UserError: The file is standard input.
    """
    if file == STANDARD_INPUT:
        raise UserError("--rows -: each model reads the rows, and standard input can be read only once; name a file")
    readers = [Questions(model.data, warn, labelled=True, model=model.folder) for model in models]
    questions = [reader.of_file(file, option="--rows ") for reader in readers]
    return Rows(file, questions, [], readers[0].rows_of_file(file))


def test_rows(sides: Sequence[Side]) -> Rows:
    """Return the test rows of the first run, or of another run if only that one stored the columns of all models.

    Args:
        sides: Runs or versions, each with a model.

    Raises:
        UserError: No run has its test rows, or a model reads other tokens or another label than the rows hold.
    """
    models = [_model(side) for side in sides]
    stored = [side for side in sides if side.lineage and side.lineage.test_rows]
    if not stored:
        raise UserError(
            f"the test rows of {listed(side.name for side in sides)} were not found: their runs have moved, were "
            "cleaned, or record their artifacts on a server; name a file of rows with labels: --rows FILE"
        )
    needed = {name for model in models for name in columns_of(model.data)}
    first = next((side for side in stored if needed <= set(columns_of(_model(side).data))), stored[0])
    of = _model(first).data
    faults = [fault for s, m in zip(sides, models, strict=True) if (fault := _reads_otherwise(m.data, of, s.name))]
    if faults:
        raise UserError(
            f"{'; '.join(faults)}: the stored test rows of {first.name} cannot be read so; name a file of rows with "
            "labels, which each model reads in its own way: --rows FILE"
        )
    assert first.lineage is not None
    assert first.lineage.test_rows is not None
    files = sorted(str(path) for path in first.lineage.test_rows.glob("*") if path.is_file())
    notes = [note for side, model in zip(sides, models, strict=True) for note in _notes(side, model.data, first)]
    split = first.summary.examples.get("test") if first.summary else None
    questions = [_stored(files, of) for _ in models]
    return Rows(f"test split of {first.run}", questions, notes, split.rows if split else None)


def _model(side: Side) -> PushedModel:
    assert side.model is not None
    return side.model


def _reads_otherwise(data: DataSpec, stored: DataSpec, name: str) -> str:
    """Return the keys by which a model reads other tokens, labels or types than a stored row has."""
    keys = [f"data.{key}" for key in _AS_STORED if getattr(data, key) != getattr(stored, key)]
    if data.splits_positions != stored.splits_positions:
        keys.append("data.splits: only one of the two has splits by position")
    kinds, theirs = _kinds(data), _kinds(stored)
    keys += [f"the kind of {column}" for column, kind in kinds.items() if theirs.get(column, kind) != kind]
    return f"{name} differs in {listed(keys)}" if keys else ""


def _kinds(data: DataSpec) -> dict[str, str]:
    """Return the kind of each feature and target, also of the tokens'."""
    return {name: of.kind for name, of in (*data.features.items(), *data.targets.items())} | {
        name: "category" if is_text else "number" for name, is_text in data.token_columns.items()
    }


def _notes(side: Side, data: DataSpec, first: Side) -> Iterator[str]:
    """Yield what a model lacks in the rows of another run, and what it may have seen of them."""
    stored = _model(first).data
    lacking = [name for name in columns_of(data) if name not in columns_of(stored)]
    if lacking:
        yield (
            f"The rows lack {listed(lacking)}, which {side.name} reads: it answers as if the values were unknown, and "
            "its figures are too bad."
        )
    own, theirs = data.model_dump(mode="json"), stored.model_dump(mode="json")
    keys = [f"data.{key}" for key in _SPLITS if own[key] != theirs[key]]
    if keys and not _same_rows(side, first):
        yield (
            f"{side.name} was trained on other rows or splits ({listed(keys)}): rows of the test split of "
            f"{first.name} may be in its train split, so that its figures are too good."
        )


def _same_rows(side: Side, first: Side) -> bool:
    rows = [s.lineage.test_rows for s in (side, first) if s.lineage]
    return len(rows) == 2 and rows[0] == rows[1]


def _stored(files: Sequence[str], data: DataSpec) -> Iterator[Question]:
    """Yield a question for each stored row, with the slices of the run that stored the row."""
    import tensorflow as tf

    from components.compat.tensorflow import untuned

    number = 0
    try:
        for record in untuned(tf.data.TFRecordDataset(files, "GZIP")).as_numpy_iterator():
            number += 1
            yield Question(number, f"test row {number:,}", record, slices=tuple(_slices(record, data)))
    except tf.errors.DataLossError as error:
        raise PredictError(f"{Path(files[0]).parent}: broken TFRecord behind row {number:,}: run it again") from error


def _slices(record: bytes, data: DataSpec) -> Iterator[tuple[str, str | float]]:
    values = columns_in(record)
    for name in data.slices:
        for value in dict.fromkeys(values.get(name, ())):
            yield name, value


def columns_in(record: bytes) -> Mapping[str, list[Any]]:
    """Return the values of each column of a serialized tf.Example; texts as `str`."""
    import tensorflow as tf

    found: dict[str, list[Any]] = {}
    for name, feature in tf.train.Example.FromString(record).features.feature.items():
        kind = feature.WhichOneof("kind")
        values = list(getattr(feature, kind).value) if kind else []
        found[name] = [v.decode(errors="replace") for v in values] if kind == "bytes_list" else values
    return found
