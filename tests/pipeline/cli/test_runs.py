"""Tests of `bigvocab runs` on the files that runs leave."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import main
from pipeline.lease.acquisition import holding
from pipeline.lease.observation import WHOLE

Runs = Callable[..., tuple[int, str, str]]
METRICS = {"nll": 4.0, "perplexity": 54.6, "recall_at_10": 0.5, "count": 10, "known": 10}
MARGIN = {"metric": "recall_at_10", "baseline": "bigram", "measure": "difference", "value": 0.1, "low": 0.05}
MARGIN |= {"high": 0.15, "level": 0.95, "rows": 10, "resamples": 1000}


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Runs:
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()

    def listed(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        code = main(["runs", *arguments])
        out, err = capfd.readouterr()
        return code, out, err

    return listed


def root(name: str, finished: str, versions: tuple[str, ...] = (), **summary: Any) -> Path:
    folder = Path("runs", name)
    (folder / "report").mkdir(parents=True)
    (folder / "logs").mkdir()
    for version in versions:
        (folder / "serving" / version).mkdir(parents=True)
    found = {"name": "sotu", "finished": finished, "seconds": 61.0, "metrics": METRICS, "pushed": True, **summary}
    (folder / "report" / "summary.json").write_text(json.dumps(found))
    return folder


def states(runs: Runs) -> dict[str, tuple[str, str]]:
    code, out, err = runs("--json")
    assert (code, err) == (0, "")
    return {run["name"]: (run["state"], run["about"]) for run in json.loads(out)}


def test_runs_are_listed_with_their_figures_newest_first(runs: Runs) -> None:
    root("old", "2026-11-01T10:00:00+00:00", ("3", "20"), margins=[MARGIN], examples={"train": {"rows": 1_200}})
    root("new", "2026-11-02T00:30:00+01:00", pushed=False, failures=["recall@10 is too low"])
    Path("runs", "notes").mkdir()
    code, out, err = runs()
    assert (code, err) == (0, "")
    header, new, old = out.splitlines()
    assert header.split()[:2] == ["run", "preset"]
    assert new.startswith("new  sotu")
    assert new.endswith("not pushed: recall@10 is too low")
    assert "1,200" in old
    assert "recall@10 0.500, perplexity 54.6" in old
    assert "recall@10 0.100 above the bigram's (+0.050 to +0.150)" in old
    assert old.split()[-2:] == ["20", "pushed"]
    one = json.loads(runs("runs/old", "--json")[1])
    assert [(run["name"], run["rows"], run["version"]) for run in one] == [("old", 1200, 20)]


def test_the_state_is_that_of_the_last_run(runs: Runs) -> None:
    finished = "2026-11-01T10:00:00+00:00"
    root("failed", finished, failure={"node": "Trainer", "message": "no memory"}, pushed=False)
    broken = root("broken", finished) / "report" / "summary.json"
    broken.write_text('{"name": 3')
    later = root("interrupted", finished) / "logs" / "2026-11-03_10-00-00.000.log"
    later.touch()
    (root("complete", finished) / "logs" / "2026-10-31_10-00-00.000.log").touch()
    Path("runs", "first", "report").mkdir(parents=True)
    with holding(root("busy", finished), WHOLE, "bigvocab run", "7"):
        found = states(runs)
    assert found["failed"] == ("failed", "Trainer")
    assert found["broken"][0] == "unreadable"
    assert "summary.json" in found["broken"][1]
    assert found["interrupted"] == found["first"] == ("interrupted", "")
    assert found["complete"] == ("pushed", "")
    assert found["busy"][0] == "running"
    assert "bigvocab run" in found["busy"][1]
    assert states(runs)["busy"] == ("pushed", "")
    _, out, _ = runs()
    assert "started 2026-11-03 10:00" in out


def test_no_folder_and_no_run(runs: Runs) -> None:
    assert runs()[1] == "runs has no run; `bigvocab run` creates one\n"
    code, out, err = runs("rums")
    assert (code, out, err) == (2, "", "bigvocab: rums does not exist; did you mean 'runs'?\n")
