"""Tests of predictions for event logs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from tests.pipeline.cli.prediction import tiny_model
from tests.pipeline.cli.prediction.tiny_model import Row, same

DATA: dict[str, Any] = {
    "shape": "events",
    "source": {"kind": "csv", "path": "log.csv"},
    "group_by": ["user"],
    "order_by": "ts",
    "session_gap": "30m",
    "inputs": ["viewed"],
    "tokenizer": "none",
    "features": {"hour": {"kind": "number"}},
}
START = 1_700_000_000
LOG = "user,ts,viewed,hour\n" + "".join(
    f"{user},{START + seconds},{item},{hour}\n"
    for user, seconds, item, hour in [
        ("u2", 7_300, "i4", 2), ("u1", 60, "i2", 5), ("u2", 7_200, "i3", 1), ("u1", 0, "i1", 3), ("u2", 0, "i9", 9)
    ]
)  # fmt: skip
WANTED: dict[str, Row] = {"u1": ([], ["i1", "i2"], 3.0), "u2": ([], ["i3", "i4"], 1.0)}
"""Items of the last session of each user, and the hour of its first event."""


@pytest.fixture
def logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a model of events; the current folder has a log."""
    monkeypatch.chdir(tmp_path)
    Path("log.csv").write_text(LOG)
    return tiny_model.export(tmp_path / "model", DATA)


def ask(model: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[Any], str]:
    code = main(["predict", "--model", str(model), *arguments])
    captured = capsys.readouterr()
    return code, [json.loads(line) for line in captured.out.splitlines()], captured.err


def test_a_log_has_an_answer_for_the_last_session_of_each_group(
    logged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, answers, _ = ask(logged, capsys, "--input", "log.csv", "--keep", "hour")
    assert code == 0
    found = {row["user"]: row for row in answers}
    assert {user: row["hour"] for user, row in found.items()} == {"u1": "3", "u2": "1"}
    wanted = tiny_model.answers(logged, list(WANTED.values()))
    assert same([found[user]["labels"] for user in WANTED], wanted)


def test_events_that_cannot_be_used_are_reported(logged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("log.csv").write_text(f"{LOG},0,i1,1\nu3,noon,i1,1\n")
    code, answers, error = ask(logged, capsys, "--input", "log.csv")
    assert code == 0
    assert [row["user"] for row in answers if row.get("user")] == ["u1", "u2"]
    assert "log.csv:7: no value in 'user', which groups the events" in error
    assert "log.csv:8: column 'ts' holds 'noon'" in error


def test_a_row_may_have_all_events_of_a_group(logged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("rows.jsonl").write_text('{"viewed": ["i1", "i2"], "hour": 3}\n{"viewed": "i1"}\n')
    code, answers, error = ask(logged, capsys, "--input", "rows.jsonl")
    assert code == 0
    assert same(answers, [*tiny_model.answers(logged, [WANTED["u1"]]), None])
    assert 'rows.jsonl:2: an event: a row has all events of a group, as in {"viewed": ["a", "b"]}' in error
