"""Tests of the refusals of `bigvocab export`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from components.training.export.description import FILE as ABOUT
from tests.pipeline.cli.test_cli import refused


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """Return the folder of a model with a description only."""
    about = tmp_path / "1" / ABOUT
    about.parent.mkdir(parents=True)
    data = {"shape": "labelled", "source": {"kind": "csv", "path": "rows.csv"}, "inputs": ["a"], "label": "b"}
    about.write_text(json.dumps({"data": data, "top_k": 5, "labels": 10}))
    return tmp_path / "1"


def test_an_existing_folder_is_not_overwritten(version: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "exists already" in refused(capsys, "export", "--model", str(version), "-o", str(version))


def test_a_model_of_an_earlier_version_is_refused(
    version: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = refused(capsys, "export", "--model", str(version), "-o", str(tmp_path / "out"))
    assert "earlier version of BigVocab" in text
    assert not (tmp_path / "out").exists()


def test_a_number_has_no_class_vectors(version: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    about = json.loads((version / ABOUT).read_text())
    about["data"] |= {"label_kind": "number"}
    (version / ABOUT).write_text(json.dumps({**about, "top_k": None, "labels": None}))
    text = refused(capsys, "export", "--model", str(version), "-o", str(tmp_path / "out"))
    assert "no class vectors" in text


def test_a_root_without_a_run_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "none"
    assert f"{root} does not exist" in refused(capsys, "export", "--root", str(root), "-o", str(tmp_path / "out"))


def test_a_model_and_a_root_exclude_each_other(version: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("export", "lstm", "--model", str(version), "-o", "out")
    assert "give either --model, or a preset or --root" in refused(capsys, *arguments)
