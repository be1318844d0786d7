"""Tests of the options of `bigvocab serve`. The benchmark's test starts the whole command."""

from __future__ import annotations

import importlib.util
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from components.messages.exit_codes import FAILED, WRONG
from pipeline.cli.app import main
from pipeline.prediction.model import model_name, versions_folder


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def version(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "mine" / "serving" / "1700000000"
    folder.mkdir(parents=True)
    return folder


def test_a_server_follows_the_versions_of_a_run(version: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serving = version.parent
    assert versions_folder(serving) == versions_folder(serving.parent) == versions_folder(serving.parents[1]) == serving
    monkeypatch.chdir(serving.parents[2])
    assert versions_folder(None) == Path("runs/mine/serving")
    assert versions_folder(version) == version, "a single version stays"
    assert {model_name(folder) for folder in (version, serving, Path("runs/mine/serving"))} == {"mine"}
    assert model_name(version.parents[2] / "exported") == "exported"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--port", "70000"], "'70000' is no port"),
        (["--max-batch", "0"], "'0' is no number from 1"),
        (["--name", "a/b"], "none of : / ? #"),
        (["--max-btch", "1"], "did you mean '--max-batch'?"),
    ],
)
def test_wrong_options_are_refused(capsys: pytest.CaptureFixture[str], options: list[str], message: str) -> None:
    with pytest.raises(SystemExit) as end:
        main(["serve", *options])
    assert end.value.code == WRONG
    assert message in capsys.readouterr().err


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    find: Any = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "fastapi" else find(name))
    assert main(["serve"]) == WRONG
    assert "fastapi not installed: pip install 'bigvocab[pipeline,serve]'" in capsys.readouterr().err


def test_a_missing_model_and_a_port_in_use_are_reported(
    version: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(version.parents[3])
    assert main(["serve", "--model", "nowhere"]) == WRONG
    assert "nowhere: no such folder" in capsys.readouterr().err
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["serve", "--model", "runs", "--host", "127.0.0.1", "--port", port]) == FAILED
    assert f"cannot listen at 127.0.0.1:{port}: Address already in use; choose another" in capsys.readouterr().err
    assert main(["serve", "--model", "runs", "--port", "0"]) == WRONG
    assert "is no model of BigVocab" in capsys.readouterr().err
