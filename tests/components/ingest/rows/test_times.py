"""Tests of times, of the latest of them, and of the boundaries before it."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.ingest.errors import IngestError
from components.ingest.options.splits import SplitSpec
from components.ingest.rows.times import Boundaries, Latest, times_of
from tests.drawing import drawn

UTC = datetime.UTC


def boundaries(times: list[Any], **lengths: Any) -> Boundaries:
    latest = Latest()
    for line, time in enumerate(times, 1):
        latest.add({"ts": time}, "ts", False, "rows.csv", line)
    return Boundaries.of(SplitSpec(by_time="ts", **lengths), latest)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1946, 1946),
        (-2.5, -2.5),
        ("1946", 1946),
        (" 1e3 ", 1000.0),
        ("1970-01-02", 86_400),
        ("1970-01-01T01:00", 3_600),
        ("1970-01-01 01:00:00+01:00", 0),
        ("1970-01-01T00:00:01.5Z", 1.5),
        (datetime.date(1970, 1, 2), 86_400),
        (datetime.datetime(1970, 1, 2), 86_400),
        (datetime.datetime(1970, 1, 2, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=1))), 86_400),
        ([7], 7),
    ],
)
def test_numbers_and_dates_are_times(value: Any, expected: float) -> None:
    assert times_of({"ts": value}, "ts") == [expected]


@pytest.mark.parametrize(
    ("times", "lengths", "expected"),
    [
        ([5, 100], {"eval": 10, "test": 20}, (70, 80)),
        ([5, 100], {"eval": "10", "test": 2.5}, (87.5, 97.5)),
        # Seconds, milliseconds and nanoseconds since 1970.
        ([1_600_000_000], {"eval": "1d", "test": "2h"}, (1_600_000_000 - 93_600, 1_600_000_000 - 7_200)),
        ([1_600_000_000_000], {"eval": "30m", "test": "30m"}, (1_600_000_000_000 - 3_600_000, 1_599_998_200_000)),
        (["1600000000000000000"], {"eval": "1s", "test": "1s"}, (1_599_999_998 * 10**9, 1_599_999_999 * 10**9)),
    ],
)
def test_lengths_are_in_the_unit_of_the_column(times: list[Any], lengths: dict, expected: tuple) -> None:
    assert boundaries(times, **lengths).times == expected


def test_the_last_seven_days_are_seven_dates() -> None:
    days = [f"2026-11-{day:02}" for day in range(1, 29)]
    found = boundaries(days, eval="7d", test="7d")
    times = [times_of({"ts": day}, "ts")[0] for day in days]
    assert [day for day, time in zip(days, times, strict=True) if time > found.times[1]] == days[-7:]
    assert [d for d, t in zip(days, times, strict=True) if found.times[0] < t <= found.times[1]] == days[-14:-7]
    assert found.rule == (
        "By time, column 'ts': up to 2026-11-14 00:00:00 is train, up to 2026-11-21 00:00:00 eval, and the rest test. "
        "The latest time is 2026-11-28 00:00:00 (rows.csv:28)."
    )


@pytest.mark.parametrize(
    ("times", "lengths", "fault"),
    [
        ([], {"eval": 1, "test": 1}, "data.splits.by_time: no row has a time in column 'ts'"),
        ([None, "soon"], {"eval": 1, "test": 1}, "no row has a time"),
        (
            [1946, "2026-11-22"],
            {"eval": 1, "test": 1},
            r"column 'ts' holds both dates \(rows.csv:2\) and numbers \(rows.csv:1\): write all times alike",
        ),
        (
            [1946],
            {"eval": 1, "test": "7d"},
            "data.splits.test: '7d': the latest number in column 'ts', 1946, is no time",
        ),
        (["2026-11-22"], {"eval": 7, "test": "7d"}, "data.splits.eval: 7 has no unit, and column 'ts' holds dates"),
    ],
)
def test_what_has_no_boundaries(times: list[Any], lengths: dict, fault: str) -> None:
    with pytest.raises(IngestError, match=fault):
        boundaries(times, **lengths)


@drawn()
@given(st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=5), st.permutations(range(5)))
def test_the_latest_is_the_same_in_any_order(ranges: list[list[int]], order: list[int]) -> None:
    found = []
    for number, times in enumerate(ranges):
        latest = Latest()
        for line, time in enumerate(times, 1):
            latest.add({"ts": time}, "ts", False, f"file {number}", line)
        found.append(latest)

    def merged(parts: list[Latest]) -> Latest:
        total = Latest()
        for part in parts:
            total = total.merge(part)
        return total

    whole = merged(found)
    assert merged([found[n] for n in order if n < len(found)]) == whole
    every = [time for times in ranges for time in times]
    assert [time for time, *_ in whole.found.values()] == ([max(every)] if every else [])
