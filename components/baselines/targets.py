"""What a number, and a further target, is measured against: the train split's mean, and its frequencies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from tensorflow_metadata.proto.v0 import schema_pb2

from components.baselines.ngrams import finite
from components.compat.tfx_bsl import ExamplesDecoder
from components.ingest.spec import DataSpec
from components.metrics.parts import Part, class_metrics, label_part, number_metrics, target_parts
from components.preprocessing.vocabulary import Vocabulary

Floats = NDArray[np.float64]


class Popular:
    """Answers every row with how often each class stands in the train split.

    Args:
        vocabulary: of the target.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._values = pa.array([token.encode() for token in vocabulary.tokens], pa.large_binary())
        self._counts = np.zeros(len(vocabulary))

    def count(self, column: pa.Array, weights: Floats) -> None:
        """Takes in a batch of the train split: a list column, and how many labels each row has."""
        ids, rows = self._ids(column)
        known = ids >= 0
        self._counts += np.bincount(ids[known], weights[rows[known]], len(self._counts))

    def sums(self, column: pa.Array, weights: Floats) -> Floats:
        """Of each row of a batch: (rows, len(CLASS_SUMS))."""
        ids, rows = self._ids(column)
        known = ids >= 0
        with np.errstate(divide="ignore"):  # a class without a row that has a label cannot be told from counting
            nats = -np.log(self._counts / self._counts.sum())
        values = [np.ones(len(ids)), known, np.where(known, nats[ids], 0.0), ids == np.argmax(self._counts)]
        result = np.zeros((len(column), len(values)))
        result[rows] = np.stack(values, axis=1) * weights[rows, np.newaxis]
        return result

    def _ids(self, column: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The rows that have a value, and its id: -1 outside the vocabulary."""
        rows = _rows_with_a_value(column)
        found = pc.fill_null(pc.index_in(column.flatten(), value_set=self._values), -1)
        return np.asarray(found, np.int64), rows


class Mean:
    """Answers every row with the mean of the train split."""

    def __init__(self) -> None:
        self._total = self._count = 0.0

    def count(self, column: pa.Array, weights: Floats) -> None:
        """Takes in a batch of the train split: a list column, and how many labels each row has."""
        weights = weights[_rows_with_a_value(column)]
        self._total += float(_numbers(column) @ weights)
        self._count += float(weights.sum())

    def sums(self, column: pa.Array, weights: Floats) -> Floats:
        """Of each row of a batch: (rows, len(NUMBER_SUMS)).

        Raises:
            ValueError: the train split has no number.
        """
        if not self._count:
            raise ValueError("the train split holds no number to take the mean of")
        rows = _rows_with_a_value(column)
        deviation = _numbers(column) - self._total / self._count
        square = deviation**2
        values = [np.ones(len(rows)), square, np.abs(deviation), deviation, square]
        result = np.zeros((len(column), len(values)))
        result[rows] = np.stack(values, axis=1) * weights[rows, np.newaxis]
        return result


class TargetBaselines:
    """The baselines of a label that is a number, and of every further target.

    Usage: `count` every batch of the train split, `measure` every batch of the test split, `summary`.

    Args:
        data: what the columns mean.
        vocabularies: of the targets that are categories, by column.
    """

    def __init__(self, data: DataSpec, vocabularies: Mapping[str, Vocabulary]) -> None:
        label = label_part(data)
        self._parts = {part.target: part for part in target_parts(data)}
        if label.kind == "number":
            self._parts[str(data.label)] = label
        self._models = {
            column: Mean() if part.kind == "number" else Popular(vocabularies[column])
            for column, part in self._parts.items()
        }
        self._totals = {column: np.zeros(len(part.columns)) for column, part in self._parts.items()}
        # In shape `sequence` a row stands for as many labels as it has tokens after the first.
        self._tokens = data.inputs[0] if data.shape == "sequence" else None
        types = {column: schema_pb2.FLOAT if self._is_mean(column) else schema_pb2.BYTES for column in self._parts}
        if self._tokens:
            types[self._tokens] = schema_pb2.BYTES
        features = [schema_pb2.Feature(name=name, type=type_) for name, type_ in types.items()]
        self._decoder = ExamplesDecoder(schema_pb2.Schema(feature=features).SerializeToString())
        self._rows = {"train": 0, "test": 0}

    def count(self, records: list[bytes]) -> None:
        """Takes in a batch of serialized Examples of the train split."""
        self._rows["train"] += len(records)
        if not self._parts:
            return
        batch = self._decoder.DecodeBatch(records)
        weights = self._weights(batch)
        for column, model in self._models.items():
            model.count(batch.column(column), weights)

    def measure(self, records: list[bytes]) -> dict[str, Floats]:
        """Measure a test batch.

        Returns:
            `Part.stored` sums of each row, (rows, len(columns)), by the name of the feature that holds them.
        """
        self._rows["test"] += len(records)
        if not self._parts:
            return {}
        batch = self._decoder.DecodeBatch(records)
        weights = self._weights(batch)
        result: dict[str, Floats] = {}
        for column, part in self._parts.items():
            sums = self._models[column].sums(batch.column(column), weights)
            self._totals[column] += sums.sum(axis=0)
            result[part.feature(part.baselines[0])] = part.stored(sums)
        return result

    def summary(self) -> dict[str, Any]:
        """What `baselines.json` holds of these; metrics are over all test rows measured so far.

        Returns:
            `targets`, metrics by column and baseline; and where the label is a number `metrics` and `examples`.

        Raises:
            ValueError: the label is a number, and no row of the test split has one.
        """
        found = {column: (part, self._measured(column, part)) for column, part in self._parts.items()}
        targets = {column: {p.baselines[0]: finite(metrics)} for column, (p, metrics) in found.items() if p.target}
        labels = [metrics for part, metrics in found.values() if not part.target]
        if not labels:
            return {"targets": targets}
        if not labels[0]["count"]:
            raise ValueError(
                "the test split holds no label to measure: give data.splits.test a larger share, or bring more rows"
            )
        examples = {split: dict.fromkeys(("rows", "labels", "known"), rows) for split, rows in self._rows.items()}
        return {"examples": examples, "metrics": {"mean": finite(labels[0])}, "targets": targets}

    def _measured(self, column: str, part: Part) -> dict[str, float]:
        return (number_metrics if part.kind == "number" else class_metrics)(self._totals[column])

    def _is_mean(self, column: str) -> bool:
        return isinstance(self._models[column], Mean)

    def _weights(self, batch: pa.RecordBatch) -> Floats:
        if self._tokens is None:
            return np.ones(batch.num_rows)
        lengths = np.asarray(pc.fill_null(pc.list_value_length(batch.column(self._tokens)), 0))
        return np.maximum(lengths - 1, 0).astype(np.float64)


def _rows_with_a_value(column: pa.Array) -> NDArray[np.int64]:
    """Rows of a list column with one value each, or none, that have one."""
    return np.flatnonzero(np.asarray(pc.fill_null(pc.list_value_length(column), 0)))


def _numbers(column: pa.Array) -> Floats:
    return np.asarray(column.flatten(), np.float64)
