"""Reader that turns a range of a file into sorted pieces of shards, and writer of these shards.

This module imports neither TensorFlow, TFX nor Beam, so that processes that only read start fast.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.files import move, open_bytes
from components.ingest.counts import Counts, FileCounts
from components.ingest.errors import BrokenFile, RowError, ShortRow
from components.ingest.odd_values import columns_looked_at
from components.ingest.options.splits import SPLITS
from components.ingest.rows.assignment import Assignment
from components.ingest.rows.columns import HASH_BYTES, RowReader, columns_read, row_hash
from components.ingest.rows.encoding import serialize_all
from components.ingest.rows.example import serialize
from components.ingest.rows.tabular import TableReader
from components.ingest.rows.tfrecords import write_records
from components.ingest.rows.times import Boundaries
from components.ingest.sources.base import Row, Table
from components.ingest.sources.files.ranges import Lines, Range
from components.ingest.sources.registry import source_of
from components.ingest.spec import DataSpec

_HELD_BYTES = 16 << 20
_RECORD_BYTES = 33
"""Memory overhead of a bytes object, in bytes."""

Shard = tuple[str, int, int]
"""Split, index of the shard, number of shards of the split."""
Record = bytes
"""Hash of the row and the serialized Example, in one object that Python's garbage collector does not traverse."""
Piece = tuple[str, int, int]
"""Sorted records of a shard: file, first byte and number of bytes."""


class RangeReader:
    """Reader of the rows of a range, which spills serialized Examples to disk.

    The hash of a row determines its shard and its position in the shard and, by default, its split; see `Assignment`.
    The records are spilled to files, sorted by shard and hash, so memory use does not grow with the number of rows.

    Args:
        data: Configuration of the source and of the columns.
        shards: Number of shards of each split.
        folder: Existing folder for the spilled files.
        boundaries: Times between the splits, with `data.splits.by_time`.
        events: Function that reads the rows of a partition of events, in place of a range of a file.
    """

    def __init__(
        self,
        data: DataSpec,
        shards: dict[str, int],
        folder: str,
        boundaries: Boundaries | None = None,
        events: Callable[[Range], Iterator[tuple[int, Row | ShortRow]]] | None = None,
    ) -> None:
        self._data = data
        self._shards = shards
        self._folder = folder
        self._assigned = Assignment(data, boundaries)
        self._events = events
        self._looked_at = columns_looked_at(data)
        self._columns_of_row = RowReader(data, tokenized=events is not None)
        by_row = events or data.splits.form or data.baskets
        self._tables = None if by_row else TableReader(data, self._columns_of_row)

    def __call__(self, file_range: Range) -> tuple[Counts, list[tuple[Shard, Piece]]]:
        """Spill the records of a range, and return its counts and the pieces of each shard.

        If the file cannot be read to its end, the counts contain the fault. An exception would appear inside a Beam
        traceback, and hide the faults of other files.
        """
        counts = Counts(unseen=set(columns_read(self._data)))
        lines = Lines()
        pieces: list[tuple[Shard, Piece]] = []
        try:
            for held in self._records(file_range, counts, lines):
                pieces += self._spill(held)
        except BrokenFile as error:
            counts.broken[file_range.path] = str(error)
        else:
            counts.close(file_range, lines, self._data.bad_rows_kept)
        return counts, pieces

    def _records(self, file_range: Range, counts: Counts, lines: Lines) -> Iterator[dict[Shard, list[Record]]]:
        """Yield the records of a range by shard, at most about `_HELD_BYTES` at a time."""
        counts.files[file_range.path] = FileCounts()
        held = _Held()
        for block in self._blocks(file_range, lines):
            rows = self._take_table(block, file_range, counts, held) if isinstance(block, Table) else block
            for line, row in rows:
                self._take(line, row, file_range, counts, held)
                if held.size > _HELD_BYTES:
                    yield held.taken()
            if held.size > _HELD_BYTES:
                yield held.taken()
        if held.records:
            yield held.records

    def _blocks(self, file_range: Range, lines: Lines) -> Iterator[Table | Iterator[tuple[int, Any]]]:
        if self._events:
            return iter([self._events(file_range)])
        source, needed = source_of(self._data.source), columns_read(self._data)
        if self._tables:
            return source.read_blocks(file_range, needed, lines)
        return iter([source.read(file_range, needed, lines)])

    def _take(self, line: int, row: Any, file_range: Range, counts: Counts, held: _Held) -> None:
        """Hold the records of a row, and count it."""
        data, file = self._data, counts.files[file_range.path]
        file.read += 1
        try:
            if isinstance(row, RowError | ShortRow):
                raise row
            counts.see(row)
            columns = self._columns_of_row(row)
            key = row_hash(columns, data, row)
            parts = [
                (part, key + serialize(part.columns)) for part in self._assigned(row, columns, key, file_range.split)
            ]
        except RowError as error:
            file.bad += 1
            counts.add_bad(file_range.path, line, error, data.bad_rows_kept)
            return
        except ShortRow:
            file.short += 1
            return
        if not self._taken(key):
            file.left_out += 1
            return
        file.rows += 1
        counts.odd.look(columns, self._looked_at)
        for part, record in parts:
            counts.rows[part.split] += 1
            counts.examples[part.split] += part.labels
            held.add(self._shard(part.split, key), record)

    def _take_table(
        self, table: Table, file_range: Range, counts: Counts, held: _Held
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """Hold the records of a table and count its rows, and return the rows that must be read one by one."""
        assert self._tables
        if not self._tables.reads(table):
            return table.numbered()
        converted = self._tables(table)
        whole = np.flatnonzero(~converted.refused & ~converted.short)
        found = converted.take(whole)
        if (keys := self._tables.hashes(found, table, whole)) is None:
            return table.numbered()
        file = counts.files[file_range.path]
        file.read += table.rows - int(converted.refused.sum())
        file.short += int((converted.short & ~converted.refused).sum())
        if counts.unseen:
            counts.see(table.columns)
        records = pc.binary_join_element_wise(keys, serialize_all(found.columns), pa.scalar(b"", pa.binary()))
        hashes = np.frombuffer(b"".join(keys.to_pylist()), np.uint8).reshape(-1, HASH_BYTES)
        taken = np.flatnonzero(hashes.view(">u4")[:, 3] < self._data.share * 2**32)
        file.left_out += len(whole) - len(taken)
        file.rows += len(taken)
        for row in taken[: counts.odd.left].tolist():
            counts.odd.look(found.row(row), self._looked_at)
        labels = found.tokens - 1 if self._data.shape == "sequence" else np.ones_like(found.tokens)
        splits = self._assigned.splits_of(hashes, file_range.split)
        for number, split in enumerate(SPLITS):
            rows = taken[splits[taken] == number]
            if not len(rows):
                continue
            counts.rows[split] += len(rows)
            counts.examples[split] += int(labels[rows].sum())
            shards = hashes.view(">u4")[rows, 2] % self._shards[split]
            for shard in np.unique(shards).tolist():
                of_shard = records.take(pa.array(rows[shards == shard]))
                held.extend((split, shard, self._shards[split]), of_shard.to_pylist())
        return table.numbered(np.flatnonzero(converted.refused))

    def _spill(self, held: dict[Shard, list[Record]]) -> Iterator[tuple[Shard, Piece]]:
        path = f"{self._folder}/{uuid.uuid4().hex}"
        with open_bytes(path, "wb") as file:
            start = 0
            for shard, records in held.items():
                size = file.write(_written(sorted(records)))
                yield shard, (path, start, size)
                start += size

    def _shard(self, split: str, key: bytes) -> Shard:
        number = self._shards[split]
        return split, int.from_bytes(key[8:12], "big") % number, number

    def _taken(self, key: bytes) -> bool:
        # The share uses its own four bytes of the hash, so that it does not change the splits.
        return int.from_bytes(key[12:], "big") < self._data.share * 2**32


@dataclass
class _Held:
    """Records by shard, and their size in memory."""

    records: dict[Shard, list[Record]] = field(default_factory=dict)
    size: int = 0

    def add(self, shard: Shard, record: Record) -> None:
        """Hold a record."""
        self.records.setdefault(shard, []).append(record)
        self.size += len(record) + _RECORD_BYTES

    def extend(self, shard: Shard, records: list[Record]) -> None:
        """Hold records of one shard."""
        self.records.setdefault(shard, []).extend(records)
        self.size += sum(map(len, records)) + _RECORD_BYTES * len(records)

    def taken(self) -> dict[Shard, list[Record]]:
        """Return the records and release them."""
        records, self.records, self.size = self.records, {}, 0
        return records


class ShardWriter:
    """Writer of the files of shards. A file is complete or absent.

    Args:
        uri: Folder of the splits.
        unfinished: Existing folder for unfinished files. It must not be the folder of a split, because all files there
            count as data.
    """

    def __init__(self, uri: str, unfinished: str) -> None:
        self._uri, self._unfinished = uri, unfinished

    def __call__(self, element: tuple[Shard, list[Piece]]) -> tuple[str, int]:
        """Write a shard from its pieces, and return its split and the number of Examples."""
        (split, shard, number), pieces = element
        part = f"{self._unfinished}/{split}-{shard:05d}-{uuid.uuid4().hex}"
        examples = examples_of(pieces)
        write_records(part, examples)
        move(part, f"{self._uri}/Split-{split}/data_tfrecord-{shard:05d}-of-{number:05d}.gz")
        return split, len(examples)


def examples_of(pieces: list[Piece]) -> list[bytes]:
    """Return the serialized Examples of a shard, in the order of their hashes."""
    records: list[Record] = []
    for path, start, size in sorted(pieces):
        with open_bytes(path) as file:
            file.seek(start)
            records += _read(file.read(size))
    records.sort()
    return [record[HASH_BYTES:] for record in records]


def _written(records: list[Record]) -> memoryview:
    """Return records as an Arrow stream."""
    sink = pa.BufferOutputStream()
    batch = pa.record_batch([pa.array(records, pa.large_binary())], ["record"])
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return memoryview(sink.getvalue())


def _read(text: bytes) -> list[Record]:
    with pa.ipc.open_stream(pa.py_buffer(text)) as stream:
        return stream.read_all().column(0).to_pylist()
