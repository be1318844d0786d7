"""Times of rows, and the boundaries between splits by time."""

from __future__ import annotations

import datetime
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from components.ingest.errors import IngestError, RowError, nearest
from components.ingest.options.splits import SplitSpec, duration

Time = int | float
"""Time: a number in the unit of the column, or the seconds since 1970-01-01 UTC of a date."""
DATE, NUMBER = "date", "number"
"""Kinds of times."""
_EPOCHS = ((1e8, 1), (1e11, 10**3), (1e14, 10**6), (1e17, 10**9), (1e20, 0))
"""Lower bounds of times since 1970, and the units per second above each. 1e8 seconds is 1973, 1e11 the year 5138."""
_UTC = datetime.UTC


def times_of(row: Mapping[str, Any], column: str, length: int = 1) -> list[Time]:
    """Return the time of a row, or the time of each of its tokens.

    Args:
        row: Row from the source.
        column: Column of the times.
        length: Number of tokens.

    Returns:
        One time, or `length` times in ascending order. A text with times separated by white space counts as a list.

    Raises:
        RowError: A value is missing or is not a time, or the times are too few, too many or not in order.
    """
    times = [time for _, time in _times(row, column, several=length > 1)]
    if len(times) not in (1, length):
        expected = "1" if length == 1 else f"1, or {length}, one for each token"
        raise RowError(f"{column}: wrong number of times", f"{len(times)} times in '{column}', expected {expected}")
    return times


def _times(row: Mapping[str, Any], column: str, several: bool) -> list[tuple[str, Time]]:
    """Return the kind and the time of each value of a column."""
    if column not in row:
        raise RowError(f"{column}: missing column", f"no column '{column}'{nearest(column, row)}")
    value = row[column]
    values = value if isinstance(value, list) else [value]
    if several and isinstance(value, str) and parsed_time(value) is None:
        values = value.split()
    if not values:
        values = [None]
    times: list[tuple[str, Time]] = []
    for each in values:
        if each is None or each == "" or (isinstance(each, float) and math.isnan(each)):
            raise RowError(f"{column}: no time", f"no value in '{column}', which decides the split")
        found = parsed_time(each)
        if found is None:
            raise RowError(f"{column}: not a time", f"column '{column}' holds {str(each)[:40]!r}")
        if times and found[1] < times[-1][1]:
            raise RowError(f"{column}: not in order", f"the times in '{column}' decrease: sort the tokens by time")
        times.append(found)
    return times


def parsed_time(value: Any, form: str | None = None) -> tuple[str, Time] | None:
    """Return a time with its kind, or None if the value is not a time.

    Args:
        value: Value of a column.
        form: Format of a text for `datetime.strptime`; None for a number or an ISO date.
    """
    if isinstance(value, bool):
        return None
    if form is not None:
        return _formed(str(value), form)
    if isinstance(value, int):
        return NUMBER, value
    if isinstance(value, float):
        return (NUMBER, value) if math.isfinite(value) else None
    if isinstance(value, str):
        text = value.strip()
        try:
            number = int(text) if text.lstrip("+-").isdecimal() else float("no" if "_" in text else text)
        except ValueError:
            try:
                value = datetime.datetime.fromisoformat(text)
            except ValueError:
                return None
        else:
            return (NUMBER, number) if math.isfinite(number) else None
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        value = datetime.datetime(value.year, value.month, value.day)
    if isinstance(value, datetime.datetime):
        # A time without a time zone is UTC, so that all machines find the same boundaries.
        return DATE, (value if value.tzinfo else value.replace(tzinfo=_UTC)).timestamp()
    return None


@functools.lru_cache(maxsize=100_000)
def _formed(text: str, form: str) -> tuple[str, Time] | None:
    try:
        found = datetime.datetime.strptime(text.strip(), form)
    except ValueError:
        return None
    return DATE, (found if found.tzinfo else found.replace(tzinfo=_UTC)).timestamp()


def seconds_of_unit(latest: Time) -> int:
    """Return the units per second of times since 1970, by the magnitude of the latest; 0 if the unit is unknown."""
    return next((units for least, units in reversed(_EPOCHS) if abs(latest) >= least), 0)


@dataclass
class Latest:
    """Latest time in a column, by kind: number or date.

    Attributes:
        found: Time, file and line (or row) of the latest time, by kind.
    """

    found: dict[str, tuple[Time, str, int]] = field(default_factory=dict)

    def add(self, row: Mapping[str, Any], column: str, several: bool, file: str, line: int) -> None:
        """Take the time of a row into account. A time that cannot be read is skipped; the row later counts as bad.

        Args:
            row: Row from the source.
            column: Column of the times.
            several: True if the column may hold a time for each token; the last one is the latest.
            file: File of the row, for messages.
            line: Line (or row) of the file.
        """
        try:
            kind, time = _times(row, column, several)[-1]
        except RowError:
            return
        self.note(kind, time, file, line)

    def note(self, kind: str, time: Time, file: str, line: int) -> None:
        """Take a time into account; see `add`."""
        if kind not in self.found or time > self.found[kind][0]:
            self.found[kind] = (time, file, line)

    def only(self, key: str, column: str | None) -> tuple[str, Time, str, int]:
        """Return the kind, the time, the file and the line of the latest time of the only kind.

        Args:
            key: Key of the configuration that names the column, for messages.
            column: Name of the column.

        Raises:
            IngestError: The column has numbers and dates.
        """
        if len(self.found) > 1:
            places = " and ".join(f"{kind}s ({file}:{line})" for kind, (_, file, line) in sorted(self.found.items()))
            raise IngestError(f"{key}: column '{column}' holds both {places}: write all times alike")
        ((kind, latest),) = self.found.items()
        return kind, *latest

    def merge(self, other: Latest) -> Latest:
        """Return the latest times of both. The result does not depend on the order of merging."""
        merged = dict(self.found)
        for kind, (time, file, line) in other.found.items():
            mine = merged.get(kind)
            if mine is None or (-time, file, line) < (-mine[0], mine[1], mine[2]):
                merged[kind] = (time, file, line)
        return Latest(merged)


@dataclass(frozen=True)
class Boundaries:
    """Times between the splits: up to the first is train, up to the second eval, and all later times are test.

    Attributes:
        times: Both boundaries, in the unit of the column.
        rule: Description of the boundaries in words.
    """

    times: tuple[Time, Time]
    rule: str

    @classmethod
    def of(cls, splits: SplitSpec, latest: Latest) -> Boundaries:
        """Return the boundaries that give the last `test` to the test split, and the `eval` before to the eval split.

        The latest time is in the test split. With dates, `test: 7d` is the last seven dates.

        Raises:
            IngestError: No row has a time; the column has numbers and dates; or the unit of the times is unknown.
        """
        column = splits.by_time
        if not latest.found:
            raise IngestError(f"data.splits.by_time: no row has a time in column '{column}'")
        kind, time, file, line = latest.only("data.splits.by_time", column)
        test = time - _length(splits, "test", kind, time)
        evaluated = test - _length(splits, "eval", kind, time)
        shown = [_shown(kind, each) for each in (evaluated, test, time)]
        rule = (
            f"By time, column '{column}': up to {shown[0]} is train, up to {shown[1]} eval, and the rest test. The "
            f"latest time is {shown[2]} ({file}:{line})."
        )
        return cls((evaluated, test), rule)


def _length(splits: SplitSpec, name: str, kind: str, latest: Time) -> Time:
    """Return the length of a split in the unit of the column."""
    value = getattr(splits, name)
    amount, unit = duration(value)
    where = f"data.splits.{name}: {value!r}"
    if kind == DATE:
        if unit is None:
            raise IngestError(f"{where} has no unit, and column '{splits.by_time}' holds dates: write 30m, 12h or 7d")
        return amount * unit
    if unit is None:
        return amount
    per_second = seconds_of_unit(latest)
    if not per_second:
        raise IngestError(
            f"{where}: the latest number in column '{splits.by_time}', {latest}, is no time since 1970 in seconds, "
            "milliseconds, microseconds or nanoseconds: write the length as a number in the unit of the column"
        )
    return amount * unit * per_second


def _shown(kind: str, time: Time) -> str:
    if kind == NUMBER:
        return f"{time:,}" if isinstance(time, float) else str(time)
    return datetime.datetime.fromtimestamp(time, _UTC).isoformat(sep=" ").removesuffix("+00:00")
