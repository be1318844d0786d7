"""Tests of the command line's output and exit codes, without a run of the pipeline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.config.preset_files import preset_names


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    try:
        code = main(arguments)
    except SystemExit as exit_:  # argparse exits the process itself
        code = exit_.code
    assert code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    return err


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("rnu",), "unknown: rnu; did you mean 'run'?"),
        (("run", "--quik"), "unknown: --quik; did you mean '--quick'?"),
        (("serve", "--root", "runs/mine"), "this command has no --root"),
        (("run", "shared_projektion"), "did you mean 'shared_projection'?"),
        (("run", "--set", "trainer.epoch=1"), "did you mean 'epochs'?"),
        (("run", "nowhere.yaml"), "nowhere.yaml: No such file or directory"),
        (("run", "--set", "name=../../x"), "name: String should match pattern"),
        (("run-node", "ExampleGen", "--run-id", "../../x"), "'../../x': use letters, digits"),
        (("run-node", "ExampleGen", "--run-id", ".."), "'..': use letters, digits"),
        (("predict",), "give either TEXT or --input"),
        (("predict", "--input", "rows.jsonl", "text"), "give either TEXT or --input"),
        (("report", "--root", "nowhere"), "`bigvocab run shared_projection` writes it"),
        (("tensorboard", "--root", "nowhere"), "`bigvocab run shared_projection` creates it"),
        (("clean",), "artifacts.keep is not set: name the number of newest complete runs, as in --keep 5"),
        (("clean", "--keep", "0"), "'0' is no number from 1"),
        (("clean", "--keep", "2", "--root", "nowhere"), "`bigvocab run shared_projection` creates it"),
    ],
)
def test_a_wrong_command_suggests_the_right_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
    arguments: tuple[str, ...], hint: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert hint in refused(capsys, *arguments)


def test_tensorboard_is_started_on_the_runs_logs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    logs = tmp_path / "tensorboard"
    logs.mkdir()
    commands: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda _, command: commands.append(command))
    main(["tensorboard", "--root", str(tmp_path), "--port", "6007"])
    expected = ["-m", "tensorboard.main", "--logdir", str(logs), "--host", "localhost", "--port", "6007"]
    assert commands[0][1:] == expected


def test_presets_are_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets"]) == 0
    listed = capsys.readouterr().out
    assert [line.split()[0] for line in listed.splitlines()] == preset_names()
    assert main(["presets", "shared_projection"]) == 0
    assert "name: sotu" in capsys.readouterr().out


ABOUT = {
    "top_k": 5,
    "data": {
        "shape": "labelled",
        "source": {"kind": "csv", "path": "rows.csv"},
        "inputs": ["viewed"],
        "label": "bought",
        "tokenizer": "none",
        "features": {"hour": {"kind": "number"}},
    },
}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return a folder of versions. None of its files is loaded before the rows are read."""
    for version in ("9", "10"):
        (tmp_path / "serving" / version / "assets.extra").mkdir(parents=True)
    (tmp_path / "serving" / "10" / "assets.extra" / "bigvocab.json").write_text(json.dumps(ABOUT))
    return tmp_path / "serving"


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("--input", "rows.jsnl"), "--input rows.jsnl: No such file or directory; did you mean 'rows.jsonl'?"),
        (("--input", "serving"), "--input serving: a folder: name one of its files"),
        (("--input", "rows.jsonl", "--output", "nowhere/out"), "/nowhere' does not exist; create it first"),
        (("--input", "rows.jsonl", "--output", "serving"), "serving: this is a folder; add a file name"),
        (("--input", "rows.jsonl", "--output", "rows.jsonl"), "--output rows.jsonl: this is the --input file"),
        (("--input", "rows.jsonl", "--feature", "hour=3"), "--feature hour=3: only allowed with TEXT"),
    ],
)
def test_files_that_cannot_be_asked_or_answered_to(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: Path,
    arguments: tuple[str, ...], hint: str,
) -> None:  # fmt: skip
    (tmp_path / "rows.jsonl").write_text('{"viewed": "a"}\n')
    monkeypatch.chdir(tmp_path)
    error = refused(capsys, "predict", "--model", str(model), *arguments)
    assert hint in error
    assert error.count("\n") == 1


def test_more_answers_than_the_model_gives(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    assert "answers 1 to 5 labels" in refused(capsys, "predict", "--model", str(model), "--top", "6", "a")


def test_an_unknown_feature(capsys: pytest.CaptureFixture[str], model: Path) -> None:
    assert "NAME one of hour" in refused(capsys, "predict", "--model", str(model), "--feature", "our=3", "a")


def test_no_model_yet(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert "no model was pushed yet" in refused(capsys, "predict", "a")
