"""Tests of kept columns and of the formats of the answers."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from components.inference.formats import Csv, JsonLines, Parquet
from components.inference.rows.questions import Question
from components.ingest.spec import DataSpec
from tests.pipeline.cli.prediction import tiny_model
from tests.pipeline.cli.prediction.tiny_model import DICTS, ROWS, TOP, same
from tests.pipeline.conftest import Ask

KEPT = [{"user": "ü,1", "day": 7}, {"user": None, "day": [1, 2]}, {"user": "u3", "day": 2.5}]
ASKED = [*({**row, **kept} for row, kept in zip(DICTS, KEPT, strict=True)), {"user": "bad"}]
FILE = "".join(json.dumps(row) + "\n" for row in ASKED)


def test_json_lines_have_the_kept_columns(ask_rows: Ask, tiny: Path) -> None:
    code, answers, _ = ask_rows("rows.jsonl", FILE, "--keep", "user,day")
    assert code == 0
    *found, bad = answers
    assert [{name: row.pop(name) for name in ("user", "day")} for row in found] == KEPT
    assert same([row["labels"] for row in found], tiny_model.answers(tiny, ROWS))
    assert all(list(row) == ["labels"] for row in found)
    reason = "before: missing column: no column 'before' (there are: user)"
    assert bad == {"user": "bad", "day": None, "labels": None, "reason": reason}


def test_a_csv_file_has_a_column_for_each_rank(ask_rows: Ask, tiny: Path) -> None:
    code, _, error = ask_rows("rows.jsonl", FILE, "--keep", "user, day", "--output", "out.csv", "--top", "2")
    assert code == 0
    with Path("out.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["user", "day", "label_1", "probability_1", "label_2", "probability_2", "reason"]
    assert [(row["user"], row["day"]) for row in rows] == [("ü,1", "7"), ("", "[1, 2]"), ("u3", "2.5"), ("bad", "")]
    wanted = [answer[:2] for answer in tiny_model.answers(tiny, ROWS)]
    found = [
        [{"label": row[f"label_{rank}"], "probability": float(row[f"probability_{rank}"])} for rank in (1, 2)]
        for row in rows[:3]
    ]
    assert same(found, wanted)
    assert rows[3]["label_1"] == ""
    assert rows[3]["reason"].startswith("before: missing column")
    assert "1 of 4 rows cannot be used" in error


def test_a_parquet_file_has_lists(ask_rows: Ask, tiny: Path) -> None:
    assert ask_rows("rows.jsonl", FILE, "--keep", "user,day", "--output", "out.parquet")[0] == 0
    table = pq.read_table("out.parquet")
    assert table.column_names == ["user", "day", "labels", "probabilities", "reason"]
    rows = table.to_pylist()
    assert [(row["user"], row["day"]) for row in rows] == [("ü,1", "7"), (None, "[1, 2]"), ("u3", "2.5"), ("bad", None)]
    found = [
        [{"label": label, "probability": p} for label, p in zip(row["labels"], row["probabilities"], strict=True)]
        for row in rows[:3]
    ]
    assert same(found, tiny_model.answers(tiny, ROWS))
    assert rows[3]["labels"] is None
    assert rows[3]["reason"]
    assert len(found[0]) == TOP


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--keep", "usr"], r"no column 'usr'"),
        (["--keep", "labels"], r"--keep labels: the answers have a column of this name"),
        (["--keep", "label_1"], r"--keep label_1: the answers have"),
    ],
)
def test_a_column_that_cannot_be_kept_is_refused(ask_rows: Ask, arguments: list[str], message: str) -> None:
    rows = "before,viewed,user\ni1,i2,u\n"
    code, found, error = ask_rows("rows.csv", rows, *arguments)
    assert (code != 0, found) == (True, [])
    assert message in error


def test_a_number_and_further_targets_have_columns(tmp_path: Path) -> None:
    data = DataSpec.model_validate(
        {
            **tiny_model.DATA,
            "label": "price",
            "label_kind": "number",
            "targets": {"shop": {"kind": "category"}, "seats": {"kind": "number"}},
            "slices": [],
        }
    )
    question = Question(1, "x:1", b"", kept={"user": "u"})
    answer: dict[str, Any] = {"labels": [], "value": 1.5, "targets": {"shop": ("Boston", 0.25), "seats": 4.0}}
    written: dict[str, bytearray] = {name: bytearray() for name in ("csv", "jsonl", "parquet")}
    writers = [
        Csv(written["csv"].extend, data, ["user"], 0),
        JsonLines(written["jsonl"].extend, data, ["user"]),
        Parquet(written["parquet"].extend, data, ["user"]),
    ]
    for writer in writers:
        writer.add([(question, answer), (question, None)])
        writer.close()
    assert written["csv"].decode().splitlines() == [
        "user,value,shop,shop_probability,seats,reason", "u,1.5,Boston,0.25,4.0,", "u,,,,,"
    ]  # fmt: skip
    first, second = map(json.loads, written["jsonl"].decode().splitlines())
    assert first == {"user": "u", "value": 1.5, "shop": {"label": "Boston", "probability": 0.25}, "seats": 4.0}
    assert second == {"user": "u", "value": None, "reason": ""}
    (tmp_path / "out.parquet").write_bytes(written["parquet"])
    first, second = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert first == {
        "user": "u",
        "value": 1.5,
        "shop": "Boston",
        "shop_probability": 0.25,
        "seats": 4.0,
        "reason": None,
    }
    assert second["value"] is None
