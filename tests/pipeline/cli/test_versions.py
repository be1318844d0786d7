"""Tests of `bigvocab versions` and `bigvocab rollback`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.pushing import records, versions
from pipeline.cli import main
from pipeline.prediction.model import pushed_last
from tests.components.pushing.models import model, weights
from tests.pipeline.cli.test_cli import refused

METRICS: records.Metrics = {"recall_at_10": 0.5, "perplexity": 128.0}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the root of the preset `lstm`, with three versions, the first of them of an older release."""
    monkeypatch.chdir(tmp_path)
    serving = tmp_path / "runs/lstm/serving"
    for number, name in enumerate("abc"):
        better: records.Metrics = {**METRICS, "recall_at_10": 0.5 + number / 10}
        previous = METRICS if number else None
        versions.push(model(tmp_path, name), serving, lambda: 1_700_000_000, metrics=better, previous=previous)
    (serving / "1700000000" / records.PLACE).unlink()
    return serving.parent


def _lines(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(arguments) == 0
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_the_versions_are_listed_newest_first(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _lines(capsys, "rollback", "1700000001", "lstm")[0].startswith("Published version 1700000001 again as ")
    title, header, rolled_back, *others = _lines(capsys, "versions", "lstm")
    assert title == f"Pushed to {root / 'serving'}:"
    assert header == "version pushed (UTC) test split last blessed model before, same rows size"
    assert "recall@10 0.600, perplexity 128.0 recall@10 0.500, perplexity 128.0" in rolled_back
    assert rolled_back.endswith("current, repeats 1700000001")
    for row, expected in zip(
        others,
        [
            r"1700000002 2023-11-14 22:13:20 recall@10 0.700, perplexity 128.0 recall@10 0.500, perplexity 128.0",
            r"1700000001 2023-11-14 22:13:20 recall@10 0.600, perplexity 128.0 recall@10 0.500, perplexity 128.0",
            r"1700000000 2023-11-14 22:13:20 - - 6 bytes",
        ],
        strict=True,
    ):
        assert row.startswith(expected)
        assert row.endswith("bytes")


def test_the_versions_as_json(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["rollback", "--root", str(root)])
    capsys.readouterr()
    assert main(["versions", "--root", str(root), "--json"]) == 0
    newest, *others = json.loads(capsys.readouterr().out)
    assert [entry["version"] for entry in others] == [1_700_000_002, 1_700_000_001, 1_700_000_000]
    assert (newest["current"], newest["repeats"]) == (True, 1_700_000_001)
    assert newest["metrics"] == {**METRICS, "recall_at_10": 0.6}
    assert others[-1] == {
        "version": 1_700_000_000, "pushed": "2023-11-14T22:13:20+00:00", "metrics": None, "previous": None, "bytes": 6,
        "current": False, "repeats": None,
    }  # fmt: skip


def test_a_version_that_is_no_time_has_no_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for version in ("7", "99999999999999"):
        (tmp_path / "serving" / version).mkdir(parents=True)
    _, _, later, earlier = _lines(capsys, "versions", "--root", str(tmp_path))
    assert later == "99999999999999 - - - 0 bytes current"
    assert earlier == "7 - - - 0 bytes"


def test_a_rollback_can_be_undone_as_it_says(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    undo = _lines(capsys, "rollback", "lstm")[-1]
    assert undo == "bigvocab rollback 1700000002 lstm"
    _lines(capsys, *undo.split()[1:])
    newest = versions.versions(root / "serving")[-1]
    assert weights(root / "serving" / str(newest)) == "c"


def test_predictions_use_the_version_of_a_rollback(root: Path, tmp_path: Path) -> None:
    versions.push(model(tmp_path, "d"), tmp_path / "runs/other/serving")
    assert weights(pushed_last(tmp_path / "runs")) == "d"
    main(["rollback", "lstm"])
    assert weights(pushed_last(tmp_path / "runs")) == "b"


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("versions",), "no model was pushed yet; `bigvocab run shared_projection` pushes one"),
        (("rollback",), "no model was pushed yet; `bigvocab run shared_projection` pushes one"),
        (("rollback", "lstn"), f"'lstn' is no version, which is a number, and {Path('runs/lstn')} does not exist"),
        (("rollback", "1700000001", "1700000002"), "give at most one version"),
        (("rollback", "lstm", "ten_inputs"), "give at most one version"),
        (("rollback", "1700000000", "lstm"), "already see"),
        (("rollback", "../x"), "'../x' is no version, which is a number"),
        (("rollback", "lstm", "1700000010"), "no version 1700000010; did you mean '1700000"),
        (("rollback", "-1", "lstm"), "give at most one version"),
    ],
)
def test_a_wrong_rollback_is_refused(
    root: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], hint: str
) -> None:
    versions.rollback(root / "serving", 1_700_000_000, lambda: 1_700_000_000)
    before = versions.versions(root / "serving")
    assert hint in refused(capsys, *arguments)
    assert versions.versions(root / "serving") == before
