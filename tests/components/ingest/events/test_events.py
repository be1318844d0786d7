"""Tests of event logs: grouping, order, sessions and splits."""

from __future__ import annotations

import csv
import json
import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from components.ingest.errors import IngestError
from components.ingest.events import spill
from components.ingest.spec import DataSpec
from tests.components.ingest.conftest import Ingest

HOUR = 3_600
START = 1_700_000_000


def spec(path: str = "log.csv", **changes: Any) -> DataSpec:
    return DataSpec.model_validate(
        {
            "shape": "events",
            "source": {"kind": "csv", "path": path},
            "group_by": "user",
            "order_by": "time",
            "inputs": ["item"],
            "tokenizer": "none",
            "splits": {"train": 2, "eval": 1, "test": 1},
            **changes,
        }
    )


def events(users: int = 60, seed: int = 0) -> list[dict[str, Any]]:
    """Return events of users with one to three sessions of one to six items, in random order."""
    rng = random.Random(seed)
    found = []
    for user in range(users):
        time = START + rng.randrange(100 * HOUR)
        for _ in range(rng.randint(1, 3)):
            for _ in range(rng.randint(1, 6)):
                time += rng.randrange(1, HOUR // 4)
                found.append(
                    {"user": f"u{user}", "item": f"i{rng.randrange(9)}", "time": time, "country": f"c{user % 3}"}
                )
            time += rng.randrange(2 * HOUR, 9 * HOUR)
    rng.shuffle(found)
    return found


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def sessions(rows: list[dict[str, Any]], gap: float | None) -> Counter[tuple[str, ...]]:
    """Return the items of each session of at least two, as a script would find them."""
    by_user = defaultdict(list)
    for row in rows:
        by_user[row["user"]].append(row)
    found: list[list[str]] = []
    for of in by_user.values():
        last = None
        for row in sorted(of, key=lambda row: row["time"]):
            if last is None or (gap is not None and row["time"] - last > gap):
                found.append([])
            found[-1].append(row["item"])
            last = row["time"]
    return Counter(tuple(items) for items in found if len(items) >= 2)


def items(rows: list[dict[str, list[Any]]]) -> Counter[tuple[str, ...]]:
    return Counter(tuple(row["item"]) for row in rows)


@pytest.mark.parametrize("gap", [None, "1h", HOUR])
def test_events_become_sessions(gap: Any, tmp_path: Path, ingest: Ingest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spill, "PARTITION_BYTES", 1_000)
    rows = events()
    write(tmp_path / "log.csv", rows)
    features = {"country": {"kind": "category"}}
    found = ingest(spec(session_gap=gap, features=features))
    wanted = sessions(rows, HOUR if gap else None)
    assert items(found.all_rows()) == wanted
    assert all(len(row["country"]) == 1 for row in found.all_rows())
    counts = found.counts()
    assert counts["events"] == len(rows)
    assert sum(counts["rows"].values()) == wanted.total()
    assert counts["read"] == wanted.total() + counts["short"]
    # A user is in one split.
    users = {split: {row["item"][0] for row in found.rows(split)} for split in ("train", "eval", "test")}
    assert all(users.values())


@pytest.mark.slow
def test_the_order_of_the_lines_is_of_no_interest(tmp_path: Path, ingest: Ingest) -> None:
    rows = events()
    write(tmp_path / "log.csv", rows)
    first = ingest(spec(session_gap="1h"), "first")
    (tmp_path / "log.csv").unlink()
    (tmp_path / "parts").mkdir()
    for number, part in enumerate((rows[::-2], rows[-2::-2])):
        write(tmp_path / "parts" / f"{number}.csv", part)
    second = ingest(spec("parts", session_gap="1h"), "second", runner="DirectRunner")
    for split in ("train", "eval", "test"):
        assert first.rows(split) == second.rows(split)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("times", "changes"),
    [
        (["2014-04-07T10:51:09.277Z", "2014-04-07T10:59:09Z", "2014-04-07T13:00:00Z"], {}),
        (["07/04/2014 10:51", "07/04/2014 10:59", "07/04/2014 13:00"], {"order_format": "%d/%m/%Y %H:%M"}),
        ([1396867869277, 1396868349000, 1396875600000], {}),
        ([1396867869277000001, 1396867869277000002, 1396875600000000000], {}),
    ],
)
def test_forms_of_times(times: list[Any], changes: dict[str, Any], tmp_path: Path, ingest: Ingest) -> None:
    rows = [{"user": f"u{user}", "item": f"i{n}", "time": time} for user in range(30) for n, time in enumerate(times)]
    random.Random(0).shuffle(rows)
    write(tmp_path / "log.csv", rows)
    assert set(items(ingest(spec(session_gap="30m", **changes)).all_rows())) == {("i0", "i1")}


@pytest.mark.slow
def test_events_of_equal_times_keep_their_order(tmp_path: Path, ingest: Ingest) -> None:
    rows = [{"user": f"u{user}", "item": f"i{n}", "time": 7} for user in range(30) for n in range(20)]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, rows)))
    source = {"kind": "jsonl", "path": "log.jsonl"}
    for name, order in (("ordered", "time"), ("unordered", None)):
        found = items(ingest(spec(source=source, order_by=order), name).all_rows())
        assert found == {tuple(f"i{n}" for n in range(20)): 30}


def test_long_groups_are_cut_and_short_rows_left_out(tmp_path: Path, ingest: Ingest) -> None:
    rows = [{"user": f"u{user}", "item": f"i{n}", "time": n} for user in range(30) for n in range(23)]
    write(tmp_path / "log.csv", rows)
    found = ingest(spec(max_length=10, min_length=4))
    assert Counter(len(row["item"]) for row in found.all_rows()) == {10: 60}
    assert found.counts()["short"] == 30


def test_words_of_events_are_tokens(tmp_path: Path, ingest: Ingest) -> None:
    rows = [
        {"user": f"u{user}", "item": text, "time": n}
        for user in range(30)
        for n, text in enumerate(["New shoes", "Red"])
    ]
    write(tmp_path / "log.csv", rows)
    assert set(items(ingest(spec(tokenizer="words")).all_rows())) == {("new", "shoes", "red")}


def test_events_are_split_by_time(tmp_path: Path, ingest: Ingest) -> None:
    rows = events(100)
    write(tmp_path / "log.csv", rows)
    latest = max(row["time"] for row in rows)
    splits = {"by_time": "time", "eval": "20h", "test": "20h"}
    found = ingest(spec(session_gap="1h", splits=splits))
    late = sum(row["time"] > latest - 20 * HOUR for row in rows)
    counts = found.counts()
    assert 0 < counts["examples"]["test"] <= late
    assert str(latest - 20 * HOUR) in counts["split_rule"]


@pytest.mark.slow
def test_bad_events_are_counted_and_a_run_of_them_fails(tmp_path: Path, ingest: Ingest) -> None:
    rows = events(60)
    (tmp_path / "log.csv").write_text("")
    write(tmp_path / "log.csv", [*rows, {**rows[0], "user": ""}, {**rows[0], "time": "noon"}, {**rows[0], "item": ""}])
    found = ingest(spec(max_bad_share=0.02))
    assert found.counts()["bad"] == {"user: no group": 1, "time: not a time": 1}
    assert found.counts()["events_without_token"] == 1
    with pytest.raises(IngestError, match=r"2 of \d+ rows .* cannot be used"):
        ingest(spec(max_bad_share=0.0), "failed")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"group_by": None}, "shape 'events' needs data.group_by"),
        ({"order_by": None, "session_gap": "30m"}, "need data.order_by"),
        ({"session_gap": "long"}, "not a length of time"),
        ({"max_length": 2, "min_length": 3}, "is less than data.min_length"),
        ({"splits": {"by_time": "day", "eval": 1, "test": 1}}, "write by_time: time"),
        ({"label": "item"}, "remove data.label"),
        ({"shape": "sequence", "group_by": []}, "data.order_by is for shape 'events'"),
        ({"inputs": ["item", "user"]}, "exactly one column"),
    ],
)
def test_keys_that_do_not_fit_are_refused(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        spec(**changes)


def test_times_of_both_kinds_and_gaps_without_a_unit_are_refused(tmp_path: Path, ingest: Ingest) -> None:
    rows = events()
    write(tmp_path / "log.csv", [*rows, {**rows[0], "time": "2024-01-01"}])
    with pytest.raises(IngestError, match=r"data\.order_by: column 'time' holds both dates .* and numbers"):
        ingest(spec(), "both")
    write(tmp_path / "log.csv", [{**row, "time": row["time"] - START} for row in rows])
    with pytest.raises(IngestError, match=r"data\.session_gap: the latest number in column 'time'"):
        ingest(spec(session_gap="30m"), "unit")


def test_a_configuration_of_events_is_read_back_as_it_was() -> None:
    data = spec(session_gap="30m")
    assert DataSpec.model_validate_json(data.model_dump_json()) == data
    assert data.shape == "sequence"
    assert data.group_by == ["user"]
