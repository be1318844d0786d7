"""Tests of ExampleGen with official splits: by position, by time, from a column, and from files."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from components.ingest import executor
from components.ingest.errors import IngestError
from components.ingest.node import ExampleGenNode
from components.ingest.sources.registry import source_of
from components.ingest.spec import DataSpec
from components.ingest.split_files import fingerprint_by_split
from components.names import FIRST_LABEL
from tests.components.ingest.conftest import Ingest, Ingested
from tests.components.ingest.test_executor import files_of, write

pytestmark = pytest.mark.slow

SPLITS = ("train", "eval", "test")


def items(splits: dict[str, Any] | None = None, source: dict[str, str] | None = None, **changes: Any) -> DataSpec:
    """Return the specification of rows of items, split by a rule or by files."""
    return DataSpec.model_validate(
        {
            "shape": "sequence",
            "source": {"kind": "jsonl", **(source or {"path": "rows.jsonl"})},
            "inputs": ["items"],
            "tokenizer": "none",
            "splits": splits or {},
            **changes,
        }
    )


def clicks(splits: dict[str, Any], source: dict[str, str] | None = None) -> DataSpec:
    """Return the specification of labelled rows."""
    return items(splits, source, shape="labelled", inputs=["seen"], label="bought")


def rows_of(ingested: Ingested) -> dict[str, list[str]]:
    return {split: sorted(" ".join(row["items"]) for row in ingested.rows(split)) for split in SPLITS}


def labels_of(ingested: Ingested) -> dict[str, list[str]]:
    """Return the labels of each split, sorted."""
    return {
        split: sorted(token for row in ingested.rows(split) for token in row["items"][int(row[FIRST_LABEL][0]) :])
        for split in SPLITS
    }


def line_of(ingested: Ingested) -> str:
    class Examples:
        uri = str(ingested.uri)

        def get_string_custom_property(self, name: str) -> str:
            return ""

    return ExampleGenNode().line({"examples": [Examples()]})  # type: ignore[list-item]


def test_leave_out_writes_a_row_into_each_split_that_has_labels_of_it(tmp_path: Path, ingest: Ingest) -> None:
    write(tmp_path / "rows.jsonl", [{"items": row.split()} for row in ("a b c d e", "f g", "h i j", "k")])
    found = ingest(items({"leave_out": 1}))
    assert rows_of(found) == {"train": ["a b c"], "eval": ["a b c d", "h i"], "test": ["a b c d e", "f g", "h i j"]}
    assert labels_of(found) == {"train": ["b", "c"], "eval": ["d", "i"], "test": ["e", "g", "j"]}
    counts = found.counts()
    assert counts["rows"] == {"train": 1, "eval": 2, "test": 3}
    assert counts["examples"] == {"train": 2, "eval": 2, "test": 3}
    assert (counts["source_rows"], counts["short"], counts["read"]) == (3, 1, 4)
    assert counts["split_rule"].startswith("By position: the last token is test")
    assert line_of(found) == "3 rows: train 1, eval 2, test 3, by the positions in each row; 1 too short"


def test_leave_out_needs_rows_that_are_long_enough(tmp_path: Path, ingest: Ingest) -> None:
    write(tmp_path / "rows.jsonl", [{"items": ["a", "b", str(n)]} for n in range(9)])
    with pytest.raises(IngestError, match=r"no row fell into split 'train'.*Longer rows, or a smaller .*leave_out"):
        ingest(items({"leave_out": 1}))


def test_no_later_row_is_in_train(tmp_path: Path, ingest: Ingest) -> None:
    days = [f"2026-{month:02}-{day:02}" for month in (10, 11) for day in range(1, 29)]
    rows = [{"seen": [f"{n} on {day}"], "bought": "x", "day": day} for day in days for n in range(3)]
    write(tmp_path / "rows.jsonl", rows[::-1])
    data = clicks({"by_time": "day", "eval": "3d", "test": "7d"}).model_copy(update={"max_bad_share": 0.05})
    write(
        tmp_path / "bad.jsonl",
        [{"seen": ["y"], "bought": "x", "day": None}, {"seen": ["z"], "bought": "x", "day": "soon"}],
    )
    data = data.model_copy(update={"source": data.source.at("*.jsonl")})
    found = ingest(data)
    days_of = {split: {row["seen"][0].split(" on ")[1] for row in found.rows(split)} for split in SPLITS}
    assert max(days_of["train"]) < min(days_of["eval"]) <= max(days_of["eval"]) < min(days_of["test"])
    assert {split: len(found.rows(split)) for split in SPLITS} == {"train": 3 * 46, "eval": 9, "test": 21}
    assert days_of["test"] == set(days[-7:])
    assert found.counts()["bad"] == {"day: no time": 1, "day: not a time": 1}
    assert "2026-11-28 00:00:00" in found.counts()["split_rule"]


def test_a_time_for_each_token_splits_the_positions_of_a_row(tmp_path: Path, ingest: Ingest) -> None:
    write(
        tmp_path / "rows.jsonl",
        [
            {"items": ["a", "b", "c", "d", "e"], "ts": [1, 2, 8, 9, 10]},
            {"items": ["f", "g", "h"], "ts": [8, 8, 10]},
            {"items": ["i", "j"], "ts": 3},
        ],
    )
    found = ingest(items({"by_time": "ts", "eval": 2, "test": 1}))
    assert rows_of(found) == {"train": ["a b", "i j"], "eval": ["a b c d", "f g"], "test": ["a b c d e", "f g h"]}
    assert labels_of(found) == {"train": ["b", "j"], "eval": ["c", "d", "g"], "test": ["e", "h"]}


@pytest.mark.parametrize("splits", [{"leave_out": 1}, {"by_time": "ts", "eval": 20, "test": 20}])
def test_each_engine_of_beam_writes_the_same_files(
    splits: dict[str, Any], tmp_path: Path, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"items": [f"{n} {k}" for k in range(2 + n % 7)], "ts": n % 100} for n in range(400)]
    write(tmp_path / "rows.jsonl", rows)
    data = items(splits)
    first = files_of(ingest(data, "first"))
    # Other engines get one range per element, and no processes.
    monkeypatch.setattr(executor, "RANGE_BYTES", 2_000)
    assert files_of(ingest(data, "engine", runner="DirectRunner")) == first
    monkeypatch.setattr(executor, "ENOUGH_FOR_PROCESSES", 0)
    assert files_of(ingest(data, "processes")) == first


def test_a_share_of_the_rows_does_not_move_the_boundaries(tmp_path: Path, ingest: Ingest) -> None:
    write(tmp_path / "rows.jsonl", [{"seen": [str(n)], "bought": "x", "ts": n} for n in range(300)])
    data = clicks({"by_time": "ts", "eval": 50, "test": 50})
    whole, part = ingest(data, "whole"), ingest(data.model_copy(update={"share": 0.5}), "part")
    for split in SPLITS:
        kept = {row["seen"][0] for row in part.rows(split)}
        assert 0 < len(kept) < len(whole.rows(split))
        assert kept <= {row["seen"][0] for row in whole.rows(split)}
    assert part.counts()["split_rule"] == whole.counts()["split_rule"]


def test_a_column_decides_the_split(tmp_path: Path, ingest: Ingest) -> None:
    names = itertools.cycle(["train", "test", "dev", "train", "validation"])
    rows = [{"items": ["a", str(n)], "part": part} for n, part in zip(range(100), names, strict=False)]
    write(tmp_path / "rows.jsonl", [*rows, {"items": ["a", "b"], "part": "tarin"}])
    found = ingest(items({"column": "part"}))
    by_split = {"train": "train", "test": "test", "dev": "eval", "validation": "eval"}
    for split in SPLITS:
        expected = {row["items"][1] for row in rows if by_split[row["part"]] == split}
        assert {row["items"][1] for row in found.rows(split)} == expected
    assert all(row.keys() == {"items"} for row in found.all_rows())
    (letter,) = found.dead_letters()
    assert (letter["kind"], letter["line"]) == ("part: unknown split", 101)
    assert "did you mean 'train'?" in letter["reason"]


def test_a_split_that_the_column_never_names_is_reported(tmp_path: Path, ingest: Ingest) -> None:
    write(tmp_path / "rows.jsonl", [{"items": ["a", "b"], "part": part} for part in ("train", "test")])
    with pytest.raises(IngestError, match=r"split 'eval'.* Column 'part' names the split .*Rows of all three splits"):
        ingest(items({"column": "part"}))
    with pytest.raises(IngestError, match="no row has a column 'prt'; did you mean 'part'"):
        ingest(items({"column": "prt"}, max_bad_share=1), "again")


def test_files_decide_the_split(tmp_path: Path, ingest: Ingest) -> None:
    (tmp_path / "test").mkdir()
    write(tmp_path / "train.jsonl", [{"items": ["train", str(n)]} for n in range(50)])
    write(tmp_path / "valid.jsonl", [{"items": ["eval", str(n)]} for n in range(5)])
    write(tmp_path / "test" / "1.jsonl", [{"items": ["test", str(n)]} for n in range(5)])
    write(tmp_path / "test" / "2.jsonl", [{"items": ["test", str(n)]} for n in range(5, 9)])
    files = {"train": "train.jsonl", "eval": "valid.jsonl", "test": "test/*.jsonl"}
    found = ingest(items(source=files))
    for split, rows in (("train", 50), ("eval", 5), ("test", 9)):
        assert [row["items"][0] for row in found.rows(split)] == [split] * rows
    assert found.counts()["split_rule"] == "Each split has its own files."
    read = [json.loads(line)["file"] for line in (found.uri / "files.jsonl").read_text().splitlines()]
    assert read == [str(tmp_path / name) for name in ("test/1.jsonl", "test/2.jsonl", "train.jsonl", "valid.jsonl")]


def test_without_files_for_eval_it_is_cut_from_train(tmp_path: Path, ingest: Ingest) -> None:
    write(tmp_path / "train.jsonl", [{"items": ["train", str(n)]} for n in range(400)])
    write(tmp_path / "test.jsonl", [{"items": ["test", str(n)]} for n in range(5)])
    files = {"train": "train.jsonl", "test": "test.jsonl"}
    found = ingest(items({"train": 3, "eval": 1}, files))
    assert {row["items"][0] for split in ("train", "eval") for row in found.rows(split)} == {"train"}
    assert {row["items"][0] for row in found.rows("test")} == {"test"}
    assert found.counts()["rows"]["test"] == 5
    assert 60 < found.counts()["rows"]["eval"] < 140


def test_the_fingerprint_covers_the_files_of_all_splits(tmp_path: Path) -> None:
    paths = {split: str(tmp_path / f"{split}.jsonl") for split in SPLITS}
    for path in paths.values():
        write(Path(path), [{"items": ["a", "b"]}])
    source = source_of(items(source=paths).source)
    seen = {fingerprint_by_split(source, "", "")}
    for path in paths.values():
        write(Path(path), [{"items": ["a", "c"]}])
        seen.add(fingerprint_by_split(source, "", ""))
    assert len(seen) == 4


def test_files_of_a_split_that_cannot_be_read(tmp_path: Path, ingest: Ingest) -> None:
    write(tmp_path / "train.jsonl", [{"items": ["a", "b"]}])
    with pytest.raises(IngestError, match=r"data\.source\.test: no file .*did you mean 'train.jsonl'|no file matches"):
        ingest(items(source={"train": "train.jsonl", "test": "tran*.jsonl"}))
    with pytest.raises(IngestError, match=r"data\.source\.test: .*train.jsonl is also a file of data.source.train"):
        ingest(items(source={"train": "train.jsonl", "test": "*.jsonl"}), "again")
    missing = source_of(items(source={"train": "train.jsonl", "test": "tran.jsonl"}).source.relative_to(tmp_path))
    (fault,) = missing.missing()
    assert fault.startswith("data.source.test: ")
    assert fault.endswith("tran.jsonl is not there; did you mean 'train.jsonl'?")
