"""Reading of TFRecords of tf.Example as arrays of contexts and labels, one batch of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow_metadata.proto.v0 import schema_pb2

from components.compat.tensorflow import untuned
from components.compat.tfx.bsl import ExamplesDecoder
from components.ingest.spec import DataSpec
from components.names import FIRST_LABEL
from components.preprocessing.vocabulary import Vocabulary

_ROWS = 1_000  # Rows of a batch.


@dataclass(frozen=True)
class Earlier:
    """All tokens of a row before each label, or all inputs of a labeled row.

    The tokens of label n are at the positions [starts[n], ends[n]) of the tokens of all rows.

    Attributes:
        items: (m,) context ids of the tokens; see `Encoder.contexts`.
        classes: (m,) label ids of the tokens, -1 outside the label vocabulary.
        starts: (n,) first position of each label's tokens.
        ends: (n,) position after the last of each label's tokens.
    """

    items: NDArray[np.int64]
    classes: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def take(self, which: NDArray[np.int64] | slice) -> Earlier:
        """Select labels by index."""
        return Earlier(self.items, self.classes, self.starts[which], self.ends[which])


@dataclass(frozen=True)
class Labels:
    """Labels of a batch of rows, each with the tokens before it.

    Attributes:
        contexts: (n, k) context ids, the latest last; see `Encoder.contexts` for their range.
        labels: (n,) label ids, -1 outside the vocabulary.
        rows: (n,) index of the row of each label.
        n_rows: Number of rows in the batch, including rows without a label.
        earlier: All tokens before each label.
        unknown: (m,) binary, the labels of the batch outside the vocabulary.
        weights: (n,) weight of each label; None without weights.
    """

    contexts: NDArray[np.int64]
    labels: NDArray[np.int64]
    rows: NDArray[np.int64]
    n_rows: int
    earlier: Earlier
    unknown: pa.Array
    weights: NDArray[np.float64] | None = None

    def take(self, which: NDArray[np.int64] | slice) -> Labels:
        """Select labels by index."""
        contexts, labels, rows = self.contexts[which], self.labels[which], self.rows[which]
        weights = None if self.weights is None else self.weights[which]
        return Labels(contexts, labels, rows, self.n_rows, self.earlier.take(which), self.unknown, weights)


@dataclass(frozen=True)
class RowLabels:
    """Labels of a batch of rows that may have several labels each.

    With baskets, a row is a basket after the first of its tf.Example, and the inputs are the tokens before it.

    Attributes:
        labels: (n,) label ids, -1 outside the vocabulary, in ascending order of the rows.
        rows: (n,) index of the row of each label.
        n_rows: Number of rows in the batch, including rows without a label.
        inputs: Input tokens of each row, (n_rows,).
        unknown: (m,) binary, the labels of the batch outside the vocabulary.
        weights: (n,) weight of the row of each label; None without weights, and for selected rows.
        records: (n_rows,) index of the tf.Example of each row; None if they are the same.
        n_records: Number of tf.Examples.
    """

    labels: NDArray[np.int64]
    rows: NDArray[np.int64]
    n_rows: int
    inputs: Earlier
    unknown: pa.Array
    weights: NDArray[np.float64] | None = None
    records: NDArray[np.int64] | None = None
    n_records: int = 0

    def take_rows(self, part: slice) -> RowLabels:
        """Select consecutive rows."""
        first, last = np.searchsorted(self.rows, [part.start, part.stop])
        rows = self.rows[first:last] - part.start
        inputs = self.inputs.take(part)
        return RowLabels(self.labels[first:last], rows, part.stop - part.start, inputs, self.unknown)

    def by_record(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sums over the rows of each tf.Example: (n_rows, any) -> (n_records, any)."""
        if self.records is None:
            return values
        found = np.zeros((self.n_records, values.shape[1]))
        np.add.at(found, self.records, values)
        return found

    @property
    def known(self) -> RowLabels:
        """The same rows without the labels outside the vocabulary."""
        known = self.labels >= 0
        return RowLabels(self.labels[known], self.rows[known], self.n_rows, self.inputs, self.unknown)


class Encoder:
    """Encoder that cuts all rows of a batch into labels and contexts at once.

    A sequence has one label for every token after the first, or for every token from the feature `FIRST_LABEL` on. The
    context of a label is the two tokens before it, as ids of the label vocabulary. The context of a labeled row is its
    last input token, as an id of the input vocabulary.

    A label that is a number has no vocabulary. Then only `count_inputs` works.
    """

    def __init__(self, data: DataSpec, inputs: Vocabulary, labels: Vocabulary | None) -> None:
        self._data = data
        labels = labels or Vocabulary([], np.zeros(0, np.int64))
        self._labels = _value_set(labels)
        self._input_tokens = _value_set(inputs)
        self._inputs = self._labels if data.shape == "sequence" else self._input_tokens
        self.classes = len(labels)
        """Number of labels in the vocabulary."""
        self.contexts = len(self._inputs) + 2
        """Number of context ids: one for each token of the vocabulary, one for other tokens, and one for no token."""
        self.order = 3 if data.shape == "sequence" else 2
        """Number of tokens in an n-gram: the label and its context."""
        columns = [*data.inputs, *([data.label] if data.label and len(labels) else [])]
        columns += [data.baskets] if data.baskets else []
        types = dict.fromkeys(columns, schema_pb2.BYTES) | first_label_types(data) | weight_types(data)
        schema = schema_pb2.Schema(feature=[schema_pb2.Feature(name=name, type=type_) for name, type_ in types.items()])
        self._decoder = ExamplesDecoder(schema.SerializeToString())

    def __call__(self, records: list[bytes]) -> Labels:
        """Return the labels and contexts of serialized tf.Examples with raw columns.

        Raises:
            RuntimeError: A record is not a tf.Example, or a token column does not hold bytes.
        """
        batch = self._decoder.DecodeBatch(records)
        return self._sequence(batch) if self._data.shape == "sequence" else self._labelled(batch)

    def several(self, records: list[bytes]) -> RowLabels:
        """Return all labels of serialized tf.Examples of labeled rows, or of baskets, and the inputs of each row.

        Raises:
            RuntimeError: A record is not a tf.Example, or a token column does not hold bytes.
        """
        batch = self._decoder.DecodeBatch(records)
        if self._data.baskets is not None:
            return self._of_baskets(batch)
        column = batch.column(str(self._data.label))
        ids, starts = _ids(column, self._labels)
        labels, rows = self._known(ids), np.repeat(np.arange(batch.num_rows), np.diff(starts))
        unknown = column.flatten().take(pa.array(np.flatnonzero(labels < 0)))
        weights = weights_of(batch, self._data, rows)
        return RowLabels(labels, rows, batch.num_rows, self._inputs_of(batch), unknown, weights)

    def count_inputs(self, records: list[bytes]) -> tuple[int, int]:
        """Return the number of tokens in the input columns, and the number outside the input vocabulary."""
        batch = self._decoder.DecodeBatch(records)
        columns = [_ids(batch.column(name), self._input_tokens)[0] for name in self._data.inputs]
        unknown = sum(int(np.count_nonzero(ids == len(self._input_tokens))) for ids in columns)
        return sum(map(len, columns)), unknown

    def _sequence(self, batch: pa.RecordBatch) -> Labels:
        column = batch.column(self._data.inputs[0])
        ids, starts = _ids(column, self._labels)
        lengths = np.diff(starts)
        rows = np.repeat(np.arange(len(lengths)), lengths)
        place = np.arange(len(ids)) - np.repeat(starts[:-1], lengths)
        at = np.flatnonzero(place >= first_labels(batch)[rows])
        before = np.where(place[at] > 1, ids[np.maximum(at - 2, 0)], self.contexts - 1)
        known = self._known(ids)
        earlier = Earlier(ids, known, np.repeat(starts[:-1], lengths)[at], at)
        unknown = column.flatten().take(pa.array(at[known[at] < 0]))
        contexts, weights = np.stack([before, ids[at - 1]], axis=1), weights_of(batch, self._data, at)
        return Labels(contexts, known[at], rows[at], len(lengths), earlier, unknown, weights)

    def _of_baskets(self, batch: pa.RecordBatch) -> RowLabels:
        column, of_tokens = (batch.column(str(name)) for name in (self._data.inputs[0], self._data.baskets))
        ids, starts = _ids(column, self._labels)
        record = np.repeat(np.arange(batch.num_rows), np.diff(starts))
        value, token = (_codes(each) for each in (of_tokens, column))
        new = (np.diff(record, prepend=-1) != 0) | (np.diff(value, prepend=-1) != 0)
        basket, firsts = np.cumsum(new) - 1, np.flatnonzero(new)
        # A token that occurs in a basket again does not count.
        kept = np.sort(np.unique(basket * (1 + token.max(initial=0)) + token, return_index=True)[1])
        is_label = firsts - starts[record[firsts]] >= first_labels(batch)[record[firsts]]
        begins, records = np.searchsorted(kept, firsts[is_label]), record[firsts][is_label]
        items, of_kept = ids[kept], basket[kept]
        classes, at = self._known(items), np.flatnonzero(is_label[of_kept])
        rows = (np.cumsum(is_label) - 1)[of_kept[at]]
        inputs = Earlier(items, classes, np.searchsorted(kept, starts[records]), begins)
        unknown = column.flatten().take(pa.array(kept[at[classes[at] < 0]]))
        # As in the training, the weight of a basket is that of its first token.
        weights = weights_of(batch, self._data, firsts[of_kept[at]])
        return RowLabels(classes[at], rows, len(begins), inputs, unknown, weights, records, batch.num_rows)

    def _labelled(self, batch: pa.RecordBatch) -> Labels:
        column = batch.column(str(self._data.label))
        ids, starts = _ids(column, self._labels)
        rows = np.flatnonzero(np.diff(starts))
        earlier = self._inputs_of(batch).take(rows)
        at = np.maximum(earlier.ends - 1, 0)
        none = np.full(len(rows), self.contexts - 1)
        last = np.where(earlier.ends > earlier.starts, earlier.items[at], none) if len(earlier.items) else none
        labels = self._known(ids[starts[rows]])
        unknown = column.flatten().take(pa.array(starts[rows][labels < 0]))
        weights = weights_of(batch, self._data, rows)
        return Labels(last[:, np.newaxis], labels, rows, batch.num_rows, earlier, unknown, weights)

    def _inputs_of(self, batch: pa.RecordBatch) -> Earlier:
        """Return the inputs of labeled rows. The tokens of a row are in the order of the columns."""
        columns = [batch.column(name) for name in self._data.inputs]
        found = [_ids(column, self._inputs) for column in columns]
        rows = np.concatenate([np.repeat(np.arange(batch.num_rows), np.diff(starts)) for _, starts in found])
        order = np.argsort(rows, kind="stable")
        items = np.concatenate([ids for ids, _ in found])[order]
        classes = self._known(np.concatenate([_ids(column, self._labels)[0] for column in columns])[order])
        limits = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=batch.num_rows))])
        return Earlier(items, classes, limits[:-1], limits[1:])

    def _known(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.where(ids < self.classes, ids, -1)


def read_records(path: str) -> Iterator[list[bytes]]:
    """Yield the serialized records of a TFRecord file in batches. A name that ends in `.gz` means gzip.

    Raises:
        tensorflow.errors.OpError: The file cannot be read.
    """
    records = untuned(tf.data.TFRecordDataset(path, compression_type="GZIP" if path.endswith(".gz") else ""))
    for batch in records.batch(_ROWS).as_numpy_iterator():
        yield batch.tolist()  # type: ignore[union-attr]


def first_label_types(data: DataSpec) -> dict[str, schema_pb2.FeatureType]:
    """Return the type of the feature `FIRST_LABEL` by its name, if the rows have it, to decode `first_labels`."""
    return {FIRST_LABEL: schema_pb2.INT} if data.splits_positions else {}


def first_labels(batch: pa.RecordBatch) -> NDArray[np.int64]:
    """Return the position of the first label of each sequence, (rows,); 1 for a row without the feature."""
    first = np.ones(batch.num_rows, np.int64)
    if FIRST_LABEL in batch.schema.names:
        column = batch.column(FIRST_LABEL)
        given = np.asarray(pc.fill_null(pc.list_value_length(column), 0)) > 0
        first[given] = np.asarray(column.flatten(), np.int64)
    return first


def weight_types(data: DataSpec) -> dict[str, schema_pb2.FeatureType]:
    """Return the type of the column of the weights by its name, if the rows have one, to decode `weights_of`."""
    return dict.fromkeys(data.weights, schema_pb2.FLOAT)


def weights_of(batch: pa.RecordBatch, data: DataSpec, at: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Return the weights of some rows or, in shape `sequence`, of some tokens, (n,); None without weights.

    Args:
        batch: Rows. ExampleGen writes a weight for each row, or for each token.
        data: Configuration of the columns.
        at: (n,) indices of the rows, or of the tokens of all rows.
    """
    return None if data.weight is None else np.asarray(batch.column(data.weight).flatten(), np.float64)[at]


def _codes(column: pa.Array) -> NDArray[np.int64]:
    """Return a number for each value of a list column, equal for equal values."""
    return np.asarray(column.flatten().dictionary_encode().indices, np.int64)


def _value_set(vocabulary: Vocabulary) -> pa.Array:
    return pa.array([token.encode() for token in vocabulary.tokens], pa.large_binary())


def _ids(column: pa.Array, values: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the ids of a list column's flat values, and the offset of each row, (rows + 1,).

    The id of a value that is not in `values` is `len(values)`.
    """
    flat = column.flatten()
    found = pc.fill_null(pc.index_in(flat, value_set=values), len(values))
    lengths = pc.fill_null(pc.list_value_length(column), 0)
    starts = np.concatenate([[0], np.cumsum(np.asarray(lengths, np.int64))])
    return np.asarray(found, np.int64), starts.astype(np.int64)
