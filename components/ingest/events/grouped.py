"""Second pass over an event log: the events of a partition, sorted by group and time, become rows."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from components.files import open_bytes, read_text, write_whole
from components.ingest.errors import IngestError, ShortRow
from components.ingest.events.spill import SCHEMA, Piece
from components.ingest.options.splits import duration
from components.ingest.options.token_features import elapsed
from components.ingest.rows.times import DATE, Latest, Time, seconds_of_unit
from components.ingest.sources.base import Row
from components.ingest.sources.files.ranges import Range
from components.ingest.spec import DataSpec


def write_partition(path: str, pieces: Sequence[Piece]) -> None:
    """Write the list of the pieces of a partition, for `GroupedEvents`."""
    ordered = sorted(pieces, key=lambda piece: piece.source)
    write_whole(path, json.dumps([[piece.path, piece.start, piece.size] for piece in ordered]))


def grouped_events(data: DataSpec, times: Latest, last: bool = False) -> GroupedEvents:
    """Return the reader of the rows of events; see `GroupedEvents`.

    Args:
        data: Configuration with `data.group_by`.
        times: Latest times of the events.
        last: True to read only the last row of each group.

    Raises:
        IngestError: See `gap_in_units`.
    """
    return GroupedEvents(data, gap_in_units(data, times), DATE in times.found, last)


def gap_in_units(data: DataSpec, times: Latest) -> float | None:
    """Return `data.session_gap` in the unit of the times of the events, or None without one.

    Raises:
        IngestError: The column of the times has numbers and dates, or the unit of the times cannot be determined.
    """
    if not times.found:
        return None
    kind, time, *_ = times.only("data.order_by", data.order_by)
    if data.session_gap is None:
        return None
    amount, unit = duration(data.session_gap)
    return amount if unit is None else amount * unit * _units_in_a_second(data, kind, time)


def _units_in_a_second(data: DataSpec, kind: str, latest: Time) -> int:
    units = 1 if kind == DATE else seconds_of_unit(latest)
    if not units:
        raise IngestError(
            f"data.session_gap: the latest number in column '{data.order_by}', {latest}, is no time since 1970 in "
            "seconds, milliseconds, microseconds or nanoseconds: write the gap as a number in the unit of the column"
        )
    return units


Event = tuple[bytes, Time, list[str], bytes]
"""Group, time, tokens, and other columns as JSON."""


class GroupedEvents:
    """Reader of the rows of a partition: the events of a group in order of time, cut into sessions.

    A row has the tokens of its events in the input column, the values of each token in the columns of the token
    features, the baskets and the weight, and the other columns of its first event. With `data.splits.by_time`, the row
    also has
    the time of each token.

    Args:
        data: Configuration with `data.group_by`.
        gap: Maximum time between two events of a row, in the unit of the times; None: no limit.
        dates: True if the times are dates, represented as seconds since 1970.
        last: True to yield only the last row of each group.
    """

    def __init__(self, data: DataSpec, gap: float | None, dates: bool, last: bool = False) -> None:
        self._data, self._gap, self._dates, self._last = data, gap, dates, last

    def __call__(self, file_range: Range) -> Iterator[tuple[int, Row | ShortRow]]:
        """Yield the rows of a partition, numbered from 1, with a `ShortRow` for a row with too few tokens."""
        data, number = self._data, 0
        rows = self._rows(_sorted(file_range.path))
        for events in _last_of_groups(rows) if self._last else rows:
            number += 1
            tokens = [token for event in events for token in event[2]]
            if len(tokens) < data.min_length:
                yield number, ShortRow(f"{len(tokens)} tokens, data.min_length is {data.min_length}")
                continue
            row = json.loads(events[0][3])
            row |= self._of_tokens(events)
            if data.splits.by_time is not None:
                row[data.splits.by_time] = [self._time(event[1]) for event in events for _ in event[2]]
            yield number, {**row, data.inputs[0]: tokens}

    def _of_tokens(self, events: Sequence[Event]) -> dict[str, list[Any]]:
        """Return the values of the token features, the baskets and the weights of a row, one for each token."""
        features, names = self._data.token_features, [*self._data.token_columns, *self._data.weights]
        if not names:
            return {}
        # The first event of a row has no event before it, even if a cut separates it from one.
        before = [events[0], *events[:-1]]
        times = [float(event[1] - last[1]) for event, last in zip(events, before, strict=True) for _ in event[2]]
        found: dict[str, list[Any]] = dict.fromkeys(elapsed(features), times)
        of_columns = [name for name in names if name not in found]
        parts = [json.loads(event[3]) for event in events] if of_columns else []
        return found | {name: [value for part in parts for value in part[name]] for name in of_columns}

    def _rows(self, table: pa.Table) -> Iterator[list[Event]]:
        """Yield the events of each row."""
        held: list[Event] = []
        length, longest, gap = 0, self._data.max_length, self._gap
        for batch in table.to_batches(max_chunksize=10_000):
            columns = [batch.column(name).to_pylist() for name in ("group", "time", "exact", "tokens", "others")]
            for group, time, exact, tokens, others in zip(*columns, strict=True):
                at = exact or time
                if held and (
                    group != held[-1][0]
                    or (gap is not None and at - held[-1][1] > gap)
                    or (longest is not None and length + len(tokens) > longest)
                ):
                    yield held
                    held, length = [], 0
                held.append((group, at, tokens, others))
                length += len(tokens)
        if held:
            yield held

    def _time(self, time: Time) -> Any:
        return datetime.datetime.fromtimestamp(time, datetime.UTC) if self._dates else time


def _last_of_groups(rows: Iterator[list[Event]]) -> Iterator[list[Event]]:
    """Yield the last row of each group."""
    held: list[Event] = []
    for events in rows:
        if held and held[0][0] != events[0][0]:
            yield held
        held = events
    if held:
        yield held


def _sorted(path: str) -> pa.Table:
    """Return the events of a partition, sorted by group, time and position in the source."""
    tables = []
    for rank, (file, start, size) in enumerate(json.loads(read_text(path))):
        with open_bytes(file) as stream:
            stream.seek(start)
            table = pa.ipc.open_stream(stream.read(size)).read_all()
        tables.append(table.append_column("rank", pa.array([rank] * len(table), pa.int64())))
    if not tables:
        return SCHEMA.empty_table()
    keys = ("group", "time", "exact", "rank", "place")
    return pa.concat_tables(tables).sort_by([(key, "ascending") for key in keys])
