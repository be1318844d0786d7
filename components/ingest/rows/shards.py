"""Reader that turns a range of a file into sorted pieces of the shards to write.

This module imports neither TensorFlow, TFX nor Beam, so that processes that only read start fast.
"""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Callable, Iterator

from components.files import open_bytes
from components.ingest.counts import Counts, FileCounts
from components.ingest.errors import BrokenFile, RowError, ShortRow
from components.ingest.odd_values import columns_looked_at
from components.ingest.rows.assignment import Assignment
from components.ingest.rows.columns import HASH_BYTES, RowReader, columns_read, row_hash
from components.ingest.rows.example import serialize
from components.ingest.rows.times import Boundaries
from components.ingest.sources.base import Row
from components.ingest.sources.files.ranges import Lines, Range
from components.ingest.sources.registry import source_of
from components.ingest.spec import DataSpec

_HELD_BYTES = 16 << 20
_RECORD_BYTES = 33
"""Memory of a bytes object beside its contents."""

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
        shards: Number of files of each split.
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

    def __call__(self, file_range: Range) -> tuple[Counts, list[tuple[Shard, Piece]]]:
        """Spill the records of a range, and return its counts and the pieces of each shard.

        The counts name a file that cannot be read to its end. An exception would reach the user through Beam's traces,
        and hide the faults of other files.
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
        data, keep = self._data, self._data.bad_rows_kept
        columns_of_row, looked_at = RowReader(data, tokenized=self._events is not None), columns_looked_at(data)
        file = counts.files[file_range.path] = FileCounts()
        held: dict[Shard, list[Record]] = {}
        size = 0
        source = source_of(data.source)
        rows = self._events(file_range) if self._events else source.read(file_range, columns_read(data), lines)
        for line, row in rows:
            file.read += 1
            if isinstance(row, ShortRow):
                file.short += 1
                continue
            if isinstance(row, RowError):
                file.bad += 1
                counts.add_bad(file_range.path, line, row, keep)
                continue
            counts.see(row)
            try:
                columns = columns_of_row(row)
                key = row_hash(columns, data, row)
                parts = [
                    (part, key + serialize(part.columns))
                    for part in self._assigned(row, columns, key, file_range.split)
                ]
            except RowError as error:
                file.bad += 1
                counts.add_bad(file_range.path, line, error, keep)
                continue
            except ShortRow:
                file.short += 1
                continue
            if not self._taken(key):
                file.left_out += 1
                continue
            file.rows += 1
            counts.odd.look(columns, looked_at)
            for part, record in parts:
                counts.rows[part.split] += 1
                counts.examples[part.split] += part.labels
                held.setdefault(self._shard(part.split, key), []).append(record)
                size += len(record) + _RECORD_BYTES
            if size > _HELD_BYTES:
                yield held
                held, size = {}, 0
        if held:
            yield held

    def _spill(self, held: dict[Shard, list[Record]]) -> Iterator[tuple[Shard, Piece]]:
        path = f"{self._folder}/{uuid.uuid4().hex}"
        with open_bytes(path, "wb") as file:
            start = 0
            for shard, records in held.items():
                size = file.write(pickle.dumps(sorted(records), pickle.HIGHEST_PROTOCOL))
                yield shard, (path, start, size)
                start += size

    def _shard(self, split: str, key: bytes) -> Shard:
        number = self._shards[split]
        return split, int.from_bytes(key[8:12], "big") % number, number

    def _taken(self, key: bytes) -> bool:
        # The share has its own four bytes, so that it does not shift the splits.
        return int.from_bytes(key[12:], "big") < self._data.share * 2**32


def examples_of(pieces: list[Piece]) -> list[bytes]:
    """Return the serialized Examples of a shard, in the order of their hashes."""
    records: list[Record] = []
    for path, start, size in sorted(pieces):
        with open_bytes(path) as file:
            file.seek(start)
            records += pickle.loads(file.read(size))
    records.sort()
    return [record[HASH_BYTES:] for record in records]
