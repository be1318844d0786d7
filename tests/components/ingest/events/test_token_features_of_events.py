"""Tests of token features of event logs: a value stays with its token through grouping, spilling and cutting."""

from __future__ import annotations

import json
import random
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.ingest.events.grouped import grouped_events, write_partition
from components.ingest.events.spill import EventSpiller
from components.ingest.rows.columns import RowReader
from components.ingest.rows.times import Latest
from components.ingest.sources.files.ranges import Range
from components.ingest.spec import DataSpec
from tests.components.ingest.conftest import Ingest
from tests.drawing import drawn


def spec(path: str = "log.jsonl", **changes: Any) -> DataSpec:
    return DataSpec.model_validate(
        {
            "shape": "events",
            "source": {"kind": "jsonl", "path": path},
            "group_by": "user",
            "order_by": "time",
            "inputs": ["item"],
            "tokenizer": "none",
            "token_features": {
                "kind": {"kind": "category"},
                "price": {"kind": "number"},
                "seconds": {"kind": "elapsed"},
            },
            **changes,
        }
    )


def grouped(rows: list[dict[str, Any]], **changes: Any) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the columns of the rows that events become, and the reasons of bad events."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "log.jsonl").write_text("\n".join(map(json.dumps, rows)))
        data = spec(f"{folder}/log.jsonl", **changes)
        counts, times, pieces = EventSpiller(data, 3, folder)(Range(f"{folder}/log.jsonl"))
        times = Latest().merge(times)
        by_partition = defaultdict(list)
        for (_, partition), piece in pieces:
            by_partition[partition].append(piece)
        reader, read, found = RowReader(data, tokenized=True), grouped_events(data, times), []
        for number, of in by_partition.items():
            write_partition(f"{folder}/{number}.json", of)
            found += [reader(row) for _, row in read(Range(f"{folder}/{number}.json")) if isinstance(row, dict)]
        return found, [reason for letters in counts.letters.values() for _, _, reason in letters]


@drawn(40)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 60), st.integers(1, 3)), min_size=1, max_size=30),
    st.sampled_from([None, 10]),
    st.sampled_from([None, 4]),
)
def test_a_value_stays_with_its_token(events: list[tuple[int, int, int]], gap: int | None, longest: int | None) -> None:
    # The item names the event, its time and its place, and so tells what the values of its token must be.
    rows = [
        {
            "user": f"u{user}",
            "time": time,
            "item": [f"{number}.{place}.{time}" for place in range(length)],
            "kind": f"kind {number}",
            "price": [number + place / 4 for place in range(length)],
        }
        for number, (user, time, length) in enumerate(events)
    ]
    found, reasons = grouped(rows, session_gap=gap, max_length=longest)
    assert not reasons
    for row in found:
        before, expected = None, 0
        assert longest is None or len(row["item"]) <= longest
        for item, kind, price, seconds in zip(row["item"], row["kind"], row["price"], row["seconds"], strict=True):
            number, place, time = map(int, item.split("."))
            assert kind == f"kind {number}"
            assert price == number + place / 4
            if before is None or before[0] != number:
                expected = 0 if before is None else time - before[1]
                before = number, time
            assert seconds == expected
            assert gap is None or seconds <= gap


def test_the_first_event_after_a_cut_has_no_event_before_it() -> None:
    rows = [{"user": "u", "time": 10 * n, "item": f"i{n}", "kind": "k", "price": n} for n in range(7)]
    found, _ = grouped(rows, max_length=3)
    assert [row["seconds"] for row in found] == [[0, 10, 10], [0, 10, 10]], "the last event is too short a row"
    assert [row["price"] for row in found] == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (["2024-02-01T10:00:00", "2024-02-01T10:00:30", "2024-02-02T10:00:30"], [0, 30, 86_400]),
        ([1396867869277000001, 1396867869277000003, 1396867869277000004], [0, 2, 1]),
        ([0.5, 0.75, 2], [0, 0.25, 1.25]),
    ],
)
def test_elapsed_is_in_seconds_of_dates_and_in_units_of_numbers(times: list[Any], expected: list[float]) -> None:
    rows = [{"user": "u", "time": time, "item": "i", "kind": "k", "price": 1} for time in times]
    assert grouped(rows)[0][0]["seconds"] == expected


def test_a_bad_value_makes_a_bad_event() -> None:
    rows = [
        {"user": "u", "time": 1, "item": ["a", "b"], "kind": "k", "price": [1, 2]},
        {"user": "u", "time": 2, "item": ["a", "b"], "kind": ["k", "l", "m"], "price": 1},
        {"user": "u", "time": 3, "item": "c", "kind": "k", "price": "cheap"},
        {"user": "u", "time": 4, "item": "d", "kind": None},
    ]
    found, reasons = grouped(rows)
    assert [row["item"] for row in found] == [["a", "b", "d"]]
    assert found[0]["kind"] == ["k", "k", ""]
    assert reasons == [
        "column 'kind' holds 3 values, and column 'item' 2 tokens: write one value for the event, or one for each of "
        "its tokens, in the same order",
        "column 'price' holds 'cheap'; if it stands for a missing value, list it in data.missing",
    ]


def test_the_examples_of_a_log_split_by_time(tmp_path: Path, ingest: Ingest) -> None:
    rng = random.Random(0)
    rows = [
        {"user": f"u{user}", "time": 1_000 * user + 10 * n, "item": f"i{n}", "kind": f"k{n}", "price": n + 0.5}
        for user in range(40)
        for n in range(rng.randint(2, 9))
    ]
    rng.shuffle(rows)
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = ingest(spec(splits={"leave_out": 1})).all_rows()
    assert len(found) > 80
    for row in found:
        length = len(row["item"])
        assert row["kind"] == [item.replace("i", "k") for item in row["item"]]
        assert row["price"] == [float(item[1:]) + 0.5 for item in row["item"]]
        assert row["seconds"] == [0.0, *[10.0] * (length - 1)]


def test_events_of_equal_orders_are_a_basket() -> None:
    events = [
        {"user": "u", "time": 5, "item": "c", "order": 7},
        {"user": "u", "time": 1, "item": ["a", "b"], "order": "x"},
        {"user": "u", "time": 2, "item": "a", "order": "x"},
    ]
    assert grouped(events, token_features={}, baskets="order") == (
        [{"item": ["a", "b", "a", "c"], "order": ["x", "x", "x", "7"]}],
        [],
    )
    # The times may be the baskets, also if they split the row.
    changes = {"baskets": "time", "splits": {"by_time": "time", "eval": 1, "test": 1}}
    found, _ = grouped(events, token_features={}, **changes)
    assert found == [{"item": ["a", "b", "a", "c"], "time": ["1", "1", "2", "5"]}]
