"""Tests of the benchmark of `bigvocab predict`."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest

from benchmarks.commands.answers import prediction
from benchmarks.commands.common import BenchError
from benchmarks.harness.machine import this_machine
from benchmarks.prediction import BOUNDS, Prediction, Results, lines, write_rows
from components.ingest.spec import DataSpec
from tests.pipeline.cli.prediction import tiny_model


def results(*found: Prediction) -> Results:
    return Results(this_machine(), "model", list(found))


def test_the_start_counts_in_the_bound_alone() -> None:
    found = results(Prediction(10_000, 6.0, 7.0, 500 << 20), Prediction(1_010_000, 206.0, 300.0, 540 << 20))
    assert (found.rate, found.growth) == (5_000, pytest.approx(1.08))
    assert [bound.missed(found) for bound in BOUNDS] == [True, False]  # 4,903 rows/s with the start.
    text = "\n".join(lines(found))
    assert re.search(r"\| 1,010,000 \| +206.0 \| +4,903 \| +300.0 \| +540 \|", text)
    assert "Beyond the first 10,000 rows: 5,000 rows/s; peak memory 1.08x." in text
    few = results(Prediction(10_000, 6.0, 7.0, 500 << 20))
    assert [bound.measured(few) for bound in BOUNDS] == [None, None]


def test_rows_have_the_columns_of_the_model(tmp_path: Path) -> None:
    data = DataSpec.model_validate(tiny_model.DATA)
    (tmp_path / "inputs").write_text("5 a\n3 b\n")
    write_rows(tmp_path / "rows.jsonl", data, tmp_path, 7)
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert len(rows) == 7
    assert all([*row] == ["before", "viewed", "hour"] and {*row["before"]} <= {"a", "b"} for row in rows)
    assert len({json.dumps(row) for row in rows}) == 7
    words = data.model_copy(update={"tokenizer": "words"})
    write_rows(tmp_path / "rows.jsonl", words, tmp_path, 1)
    assert len(json.loads((tmp_path / "rows.jsonl").read_text())["viewed"].split()) == 10


@pytest.mark.slow
def test_the_command_is_measured(tmp_path: Path) -> None:
    # The command runs in a process of its own, which imports TensorFlow.
    model = tiny_model.export(tmp_path / "serving" / "1")
    (model / "assets").mkdir(exist_ok=True)
    (model / "assets" / "inputs").write_text("5 a\n3 b\n")
    out, file = io.StringIO(), tmp_path / "figures.json"
    assert prediction(tmp_path, [300], True, out, file) == 0
    assert re.search(r"\| 300 +\| ", out.getvalue())
    (found,) = json.loads(file.read_text())["found"]
    assert found["peak"] > 100 << 20
    with pytest.raises(BenchError, match="--sizes"):
        prediction(tmp_path, [], False, out)
