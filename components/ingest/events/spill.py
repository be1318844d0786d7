"""First pass over an event log: each event is written to the partition of its group."""

from __future__ import annotations

import hashlib
import json
import math
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa

from components.files import open_bytes
from components.ingest.counts import Counts, FileCounts
from components.ingest.errors import BrokenFile, RowError
from components.ingest.rows.columns import RowReader, columns_read
from components.ingest.rows.times import NUMBER, Latest, Time, parsed_time
from components.ingest.sources.files.ranges import Lines, Range
from components.ingest.sources.registry import source_of
from components.ingest.spec import DataSpec
from components.ingest.values import nested, one_of, text_of

PARTITION_BYTES = 32 << 20
"""Bytes of the source per partition. Each partition is sorted in memory."""
_HELD_EVENTS = 200_000
SCHEMA = pa.schema(
    {
        "group": pa.binary(),
        "time": pa.float64(),  # Sort key of numbers and dates.
        "exact": pa.int64(),  # Exact value of integers beyond 2^53, such as nanoseconds.
        "place": pa.int64(),  # Number of the event in its range.
        "tokens": pa.list_(pa.string()),
        "others": pa.binary(),  # Values of the other columns, as JSON; of a token feature, a list.
    }
)
"""Columns of an event."""

Partition = tuple[str, int]
"""Split of the file, or "" if rows are assigned one by one, and number of the partition."""


@dataclass(frozen=True)
class Piece:
    """Events of one range of the source in a partition, as an Arrow stream.

    Attributes:
        source: File and first byte of the range, which determine the order of events with equal times.
        path: File of the piece.
        start: First byte.
        size: Number of bytes.
    """

    source: tuple[str, int, int]
    path: str
    start: int
    size: int


class EventSpiller:
    """Function that writes the events of a range of the source to the partitions of their groups.

    A hash of the group selects the partition, so all events of a group are in one partition.

    Args:
        data: Configuration with `data.group_by`.
        partitions: Number of partitions.
        folder: Existing folder for the files.
    """

    def __init__(self, data: DataSpec, partitions: int, folder: str) -> None:
        self._data, self._partitions, self._folder = data, partitions, folder

    def __call__(self, file_range: Range) -> tuple[Counts, Latest, list[tuple[Partition, Piece]]]:
        """Write the pieces of a range, and return the counts of events, their latest times, and the pieces.

        If the file cannot be read to its end, the counts contain the fault.
        """
        counts, times, lines = Counts(unseen=set(columns_read(self._data))), Latest(), Lines()
        pieces: list[tuple[Partition, Piece]] = []
        try:
            for number, held in enumerate(self._events(file_range, counts, times, lines)):
                pieces += self._write(file_range, number, held)
        except BrokenFile as error:
            counts.broken[file_range.path] = str(error)
        else:
            counts.close(file_range, lines, self._data.bad_rows_kept)
        return counts, times, pieces

    def _events(
        self, file_range: Range, counts: Counts, times: Latest, lines: Lines
    ) -> Iterator[dict[int, list[tuple[Any, ...]]]]:
        """Yield the events of a range by partition, some at a time."""
        data = self._data
        file = counts.files[file_range.path] = FileCounts()
        reader, others = RowReader(data), _others(data)
        held: dict[int, list[tuple[Any, ...]]] = {}
        number = 0
        for line, row in source_of(data.source).read(file_range, columns_read(data), lines):
            file.read += 1
            try:
                if isinstance(row, RowError):
                    raise row
                counts.see(row)
                group = _group(row, data.group_by)
                kind, time = _time(row, data) if data.order_by else (NUMBER, 0)
                tokens = reader.tokens(row)
                of_tokens = reader.token_values.of_event(row, len(tokens)) if tokens else {}
                if reader.weights is not None and tokens:
                    of_tokens[reader.weights.name] = reader.weights(row, len(tokens))
                values = _packed(row, tokens, others, of_tokens)
            except RowError as error:
                file.bad += 1
                counts.add_bad(file_range.path, line, error, data.bad_rows_kept)
                continue
            if not tokens:
                file.short += 1
                continue
            file.rows += 1
            times.note(kind, time, file_range.path, line)
            exact = time if isinstance(time, int) and abs(time) < 2**63 else 0
            partition = int.from_bytes(hashlib.blake2b(group, digest_size=8).digest(), "big") % self._partitions
            held.setdefault(partition, []).append((group, float(time), exact, number, tokens, values))
            number += 1
            if number % _HELD_EVENTS == 0:
                yield held
                held = {}
        if held:
            yield held

    def _write(
        self, file_range: Range, number: int, held: Mapping[int, list[tuple[Any, ...]]]
    ) -> Iterator[tuple[Partition, Piece]]:
        path = f"{self._folder}/events-{uuid.uuid4().hex}"
        start = 0
        with open_bytes(path, "wb") as file:
            for partition, events in held.items():
                columns = zip(*events, strict=True)
                batch = pa.record_batch(
                    [pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
                )
                sink = pa.BufferOutputStream()
                with pa.ipc.new_stream(sink, SCHEMA) as stream:
                    stream.write_batch(batch)
                size = file.write(sink.getvalue())
                source = (file_range.path, file_range.start, number)
                yield (file_range.split, partition), Piece(source, path, start, size)
                start += size


def partitions_for(size: int) -> int:
    """Return the number of partitions for a source of `size` bytes."""
    return max(1, math.ceil(size / PARTITION_BYTES))


def _others(data: DataSpec) -> list[str]:
    """Return the columns whose first value in a row is kept."""
    names = [*data.features, *data.targets, *data.slices, *data.group_by, *data.split_by]
    return list(dict.fromkeys([*names, *([data.splits.column] if data.splits.column else [])]))


def _group(row: Mapping[str, Any], names: list[str]) -> bytes:
    """Return the key of the group of an event.

    Raises:
        RowError: A column of the group has no value.
    """
    values = []
    for name in names:
        value = text_of(name, one_of(nested(row, name)[1]))
        if value is None:
            raise RowError(f"{name}: no group", f"no value in '{name}', which groups the events")
        values.append(value)
    return "\0".join(values).encode("utf-8", "surrogatepass")


def _time(row: Mapping[str, Any], data: DataSpec) -> tuple[str, Time]:
    """Return the kind and the time of an event.

    Raises:
        RowError: The column of the time has no value, or its value is not a time.
    """
    name = str(data.order_by)
    value = one_of(nested(row, name)[1])
    if value is None or value == "":
        raise RowError(f"{name}: no time", f"no value in '{name}', which orders the events")
    found = parsed_time(value, data.order_format)
    if found is None:
        wanted = f"a time in the form {data.order_format!r}" if data.order_format else "a number or an ISO date"
        raise RowError(
            f"{name}: not a time",
            f"column '{name}' holds {str(value)[:40]!r}, expected {wanted}: set data.order_format",
        )
    return found


def _packed(row: Mapping[str, Any], tokens: list[str], names: list[str], of_tokens: Mapping[str, list[Any]]) -> bytes:
    """Return the values of some columns, and the values of the token features, as JSON.

    Raises:
        RowError: A text cannot be written as UTF-8.
    """
    values = {**{name: nested(row, name)[1] for name in names}, **of_tokens}
    try:
        "".join(tokens).encode()
        try:
            # A copy, because a result of orjson occupies four kilobytes, however short it is.
            return bytes(memoryview(orjson.dumps(values, default=_as_text)))
        except TypeError:  # An integer beyond 64 bits, or half of a surrogate pair.
            return json.dumps(values, default=_as_text, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise RowError("not UTF-8", "the text holds half of a surrogate pair") from error


def _as_text(value: Any) -> str | None:
    return text_of("", value)
