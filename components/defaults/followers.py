"""Gain of the latest token in predicting the label, counted on a sample of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from tensorflow_metadata.proto.v0 import schema_pb2

from components.baselines.reading import read_records
from components.compat.tfx.bsl import ExamplesDecoder
from components.ingest.spec import DataSpec

Ints = NDArray[np.int64]
ROWS = 100_000
"""Rows of the sample. ExampleGen orders the rows of a file by hash, so that the first rows are a random sample."""
TOP = 20
MEASURED = 5
"""Number of rows of which one is measured and the others are counted."""


def bigram_gain(files: Sequence[str], data: DataSpec, rows: int = ROWS) -> float:
    """Compare two simple predictions of the label on a sample of rows.

    One predicts the 20 most frequent followers of the latest token, the other the 20 most frequent labels. Both are
    measured on every fifth row, and counted on the other rows: with fewer of them, the followers of rare tokens would
    be missed. The first uses the second for tokens that it has not counted.

    Args:
        files: TFRecords of the train split, with raw columns.
        data: Meaning of the columns. The label is a class.
        rows: Rows of the sample.

    Returns:
        Hits of the first prediction, divided by those of the second; 1 if neither has a hit.
    """
    before, labels, measured = _pairs(files, data, rows)
    counted = ~measured
    popular = _most_frequent(np.zeros_like(labels[counted]), labels[counted])[1]
    of_popular = np.isin(labels[measured], popular)
    tokens, followers = _most_frequent(before[counted], labels[counted])
    size = max(int(labels.max(initial=0)), int(before.max(initial=0))) + 1
    of_bigram = np.where(
        np.isin(before[measured], tokens),
        np.isin(before[measured] * size + labels[measured], tokens * size + followers),
        of_popular,
    )
    return (int(of_bigram.sum()) + 1) / (int(of_popular.sum()) + 1)


def _most_frequent(groups: Ints, values: Ints) -> tuple[Ints, Ints]:
    """Return the `TOP` most frequent values of each group, as pairs of group and value, (n,) each."""
    if not len(groups):
        return groups, values
    size = int(values.max()) + 1
    keys, counts = np.unique(groups * size + values, return_counts=True)
    order = np.lexsort((keys, -counts, keys // size))
    group = (keys // size)[order]
    first = np.flatnonzero(np.diff(group, prepend=group[0] - 1))
    place = np.arange(len(group)) - np.repeat(first, np.diff(np.append(first, len(group))))
    kept = order[place < TOP]
    return keys[kept] // size, keys[kept] % size


def _pairs(files: Sequence[str], data: DataSpec, rows: int) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Return the latest token before each label and the label, as numbers, and whether the row is measured."""
    columns = [*data.inputs, *([data.label] if data.label else [])]
    schema = schema_pb2.Schema(feature=[schema_pb2.Feature(name=name, type=schema_pb2.BYTES) for name in columns])
    decoder = ExamplesDecoder(schema.SerializeToString())
    texts: list[pa.Array] = []
    owners: list[Ints] = []
    read = 0
    for records in _batches(files):
        batch = decoder.DecodeBatch(records[: rows - read])
        for name in columns:
            column = batch.column(name)
            lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0), np.int64)
            # A labelled row is read as its tokens and then its label.
            owners.append(np.repeat(np.arange(read, read + len(lengths)), lengths))
            texts.append(column.flatten())
        read += batch.num_rows
        if read >= rows:
            break
    if not texts:
        nothing = np.zeros(0, np.int64)
        return nothing, nothing, nothing > 0
    ids = np.asarray(pa.chunked_array(texts).combine_chunks().dictionary_encode().indices, np.int64)
    row = np.concatenate(owners)
    # Stable: the tokens of a row stay in the order of the columns.
    order = np.argsort(row, kind="stable")
    ids, row = ids[order], row[order]
    at = np.flatnonzero(row[1:] == row[:-1]) + 1
    if data.shape == "labelled":
        at = at[np.append(row[at][1:] != row[at][:-1], True)] if len(at) else at
    return ids[at - 1], ids[at], row[at] % MEASURED == MEASURED - 1


def _batches(files: Sequence[str]) -> Iterator[list[bytes]]:
    for file in files:
        yield from read_records(file)
