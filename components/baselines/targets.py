"""Baselines from the train split: the mean for numbers, the class frequencies for further targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from tensorflow_metadata.proto.v0 import schema_pb2

from components.baselines.ngrams import finite
from components.baselines.reading import first_label_types, first_labels, weight_types
from components.baselines.results import refuse_empty
from components.compat.tfx.bsl import ExamplesDecoder
from components.ingest.spec import DataSpec
from components.metrics.definitions import WEIGHT
from components.metrics.rows import row_sums
from components.metrics.targets import further_targets, label_target
from components.preprocessing.vocabulary import Vocabulary

Floats = NDArray[np.float64]
Values = dict[str, NDArray | float]


class Popular:
    """Baseline that predicts the class frequencies of the train split for every row.

    Args:
        vocabulary: Vocabulary of the target.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._values = pa.array([token.encode() for token in vocabulary.tokens], pa.large_binary())
        self._counts = np.zeros(len(vocabulary))
        self._answer: tuple[Floats, NDArray[np.int64]] | None = None

    def count(self, column: pa.Array, weights: Floats) -> None:
        """Count a batch of the train split: a list column, and the number of labels of each row."""
        ids, rows = self._ids(column)
        known = ids >= 0
        self._answer = None
        self._counts += np.bincount(ids[known], weights[rows[known]], len(self._counts))

    def answers(self, column: pa.Array) -> tuple[Values, NDArray[np.int64]]:
        """Return the raw values of the labels of a batch, (n,) each, and the rows (n,) that have a label."""
        ids, rows = self._ids(column)
        self._answer = self._answer or self._nats_and_ranks()
        nats, ranks = self._answer
        return {"label": ids, "nll": nats[ids], "rank": ranks[ids]}, rows

    def _nats_and_ranks(self) -> tuple[Floats, NDArray[np.int64]]:
        """Return the nats and the rank of each class, which are the same for every row."""
        # The nats of a class are infinite if no row with a label has the class.
        with np.errstate(divide="ignore"):
            nats = -np.log(self._counts / self._counts.sum())
        ranks = np.empty(len(nats), np.int64)
        ranks[np.argsort(-self._counts, kind="stable")] = np.arange(1, len(nats) + 1)
        return nats, ranks

    def _ids(self, column: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the ids of the values, -1 outside the vocabulary, and the rows that have a value."""
        rows = _rows_with_a_value(column)
        found = pc.fill_null(pc.index_in(column.flatten(), value_set=self._values), -1)
        return np.asarray(found, np.int64), rows


class Mean:
    """Baseline that predicts the mean of the train split for every row."""

    def __init__(self) -> None:
        self._total = self._count = 0.0

    def count(self, column: pa.Array, weights: Floats) -> None:
        """Count a batch of the train split: a list column, and the number of labels of each row."""
        weights = weights[_rows_with_a_value(column)]
        self._total += float(_numbers(column) @ weights)
        self._count += float(weights.sum())

    def answers(self, column: pa.Array) -> tuple[Values, NDArray[np.int64]]:
        """Return the raw values of the numbers of a batch, (n,) each, and the rows (n,) that have a number.

        Raises:
            ValueError: The train split has no number.
        """
        if not self._count:
            raise ValueError("the train split has no number for this mean")
        numbers, mean = _numbers(column), self._total / self._count
        return {"answer": np.full(len(numbers), mean), "number": numbers, "mean": mean}, _rows_with_a_value(column)


class TargetBaselines:
    """Baselines of a label that is a number, and of every further target.

    Usage: Call `count` for every batch of the train split, `measure` for every batch of the test split, then `summary`.

    Args:
        data: Columns of the data.
        vocabularies: Vocabularies of the targets that are categories, by column.
        own: Paths of a user's own metrics.
    """

    def __init__(self, data: DataSpec, vocabularies: Mapping[str, Vocabulary], own: Sequence[str] = ()) -> None:
        label = label_target(data, own)
        self._targets = {target.column: target for target in further_targets(data, own)}
        if label.kind == "number":
            self._targets[str(data.label)] = label
        self._models = {
            column: Mean() if target.kind == "number" else Popular(vocabularies[column])
            for column, target in self._targets.items()
        }
        self._totals = {column: np.zeros(len(target.stored_names)) for column, target in self._targets.items()}
        # In shape `sequence`, every token from the first label of a row on is a label.
        self._tokens = data.inputs[0] if data.shape == "sequence" else None
        self._weight = data.weight
        types = {column: schema_pb2.FLOAT if self._is_mean(column) else schema_pb2.BYTES for column in self._targets}
        if self._tokens:
            types |= {self._tokens: schema_pb2.BYTES, **first_label_types(data)}
        types |= weight_types(data)
        features = [schema_pb2.Feature(name=name, type=type_) for name, type_ in types.items()]
        self._decoder = ExamplesDecoder(schema_pb2.Schema(feature=features).SerializeToString())
        self._rows = {"train": 0, "test": 0}

    def count(self, records: list[bytes]) -> None:
        """Count a batch of serialized Examples of the train split."""
        self._rows["train"] += len(records)
        if not self._targets:
            return
        batch = self._decoder.DecodeBatch(records)
        weights = self._weights(batch)
        for column, model in self._models.items():
            model.count(batch.column(column), weights)

    def measure(self, records: list[bytes]) -> dict[str, Floats]:
        """Measure a batch of the test split.

        Returns:
            `Target.stored` sums of each row, (rows, len(stored_names)), by feature name.
        """
        self._rows["test"] += len(records)
        if not self._targets:
            return {}
        batch = self._decoder.DecodeBatch(records)
        weights, of_labels = self._weights(batch), self._label_weights(batch)
        result: dict[str, Floats] = {}
        for column, target in self._targets.items():
            values, rows = self._models[column].answers(batch.column(column))
            if of_labels is not None:
                values[WEIGHT] = of_labels[rows]
            sums = row_sums(target.sums, values, rows, batch.num_rows, weights=weights)
            self._totals[column] += sums.sum(axis=0)
            result[target.feature(target.baselines[0])] = target.stored(sums)
        return result

    def summary(self) -> dict[str, Any]:
        """Return the entries of `baselines.json` for these baselines, over all test rows measured so far.

        Returns:
            `targets`, metrics by column and baseline. If the label is a number, also `metrics` and `examples`.

        Raises:
            ValueError: The label is a number, and no row of the test split has one.
        """
        found = {column: (target, target.measured(self._totals[column])) for column, target in self._targets.items()}
        targets = {column: {p.baselines[0]: finite(metrics)} for column, (p, metrics) in found.items() if p.column}
        labels = [metrics for target, metrics in found.values() if not target.column]
        if not labels:
            return {"targets": targets}
        refuse_empty(labels[0]["count"])
        examples = {split: dict.fromkeys(("rows", "labels", "known"), rows) for split, rows in self._rows.items()}
        return {"examples": examples, "metrics": {"mean": finite(labels[0])}, "targets": targets}

    def _is_mean(self, column: str) -> bool:
        return isinstance(self._models[column], Mean)

    def _weights(self, batch: pa.RecordBatch) -> Floats:
        if self._tokens is None:
            return np.ones(batch.num_rows)
        lengths = np.asarray(pc.fill_null(pc.list_value_length(batch.column(self._tokens)), 0))
        return np.maximum(lengths - first_labels(batch), 0).astype(np.float64)

    def _label_weights(self, batch: pa.RecordBatch) -> Floats | None:
        """Return the weight of all labels of each row together, (rows,); None without weights."""
        if self._weight is None:
            return None
        column = batch.column(self._weight)
        numbers = np.asarray(column.flatten(), np.float64)
        if self._tokens is None:
            return numbers
        lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0))
        rows = np.repeat(np.arange(len(lengths)), lengths)
        place = np.arange(len(numbers)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        is_label = place >= first_labels(batch)[rows]
        return np.bincount(rows[is_label], numbers[is_label], len(lengths)).astype(np.float64)


def _rows_with_a_value(column: pa.Array) -> NDArray[np.int64]:
    """Return the rows of a list column that have a value. A row has at most one value."""
    return np.flatnonzero(np.asarray(pc.fill_null(pc.list_value_length(column), 0)))


def _numbers(column: pa.Array) -> Floats:
    return np.asarray(column.flatten(), np.float64)
