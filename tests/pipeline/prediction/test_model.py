"""Tests of `bigvocab.load(DIR).predict(rows)`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import bigvocab
from components.inference.errors import PredictError
from tests.pipeline.cli.prediction import tiny_model
from tests.pipeline.cli.prediction.tiny_model import DICTS, ROWS, TOP, same
from tests.pipeline.conftest import Ask


@pytest.fixture(scope="module")
def runs(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of runs, in which one run has pushed two versions."""
    folder = tmp_path_factory.mktemp("runs")
    for version in ("7", "12"):
        shutil.copytree(tiny, folder / "shop" / "serving" / version)
    return folder


def test_rows_are_answered_as_the_command_answers_them(tiny: Path, ask_rows: Ask) -> None:
    found = bigvocab.load(tiny).predict(DICTS)
    assert same(found, tiny_model.answers(tiny, ROWS))
    _, printed, _ = ask_rows("rows.jsonl", tiny_model.JSONL)
    assert found == printed


@pytest.mark.parametrize("place", ["", "shop", "shop/serving", "shop/serving/12"])
def test_a_model_is_found_in_each_folder_that_holds_it(runs: Path, place: str) -> None:
    model = bigvocab.load(runs / place)
    assert model.folder.parent == runs / "shop" / "serving"
    assert place == "" or model.folder.name == "12"
    (answer,) = model.predict(DICTS[:1], top=2)
    assert [*answer[0]] == ["label", "probability"]
    assert len(answer) == 2


def test_no_rows_have_no_answers(tiny: Path) -> None:
    assert bigvocab.load(tiny).predict([]) == []


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([DICTS[0], {"viewed": ["i1"]}], r"rows\[1\]: before: missing column: no column 'before'"),
        ([["i1"]], r"rows\[0\]: not a row: a list, not a dict from column to value"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tiny: Path, rows: list[Any], message: str) -> None:
    with pytest.raises(PredictError, match=message):
        bigvocab.load(tiny).predict(rows)


def test_more_labels_than_the_model_answers_are_refused(tiny: Path) -> None:
    with pytest.raises(PredictError, match=f"top={TOP + 1}: this model answers 1 to {TOP} labels"):
        bigvocab.load(tiny).predict(DICTS, top=TOP + 1)


def test_a_folder_without_a_model_is_reported(tmp_path: Path, runs: Path) -> None:
    with pytest.raises(PredictError, match="is no model of BigVocab"):
        bigvocab.load(tmp_path)
    with pytest.raises(PredictError, match="no such folder; did you mean 'shop'"):
        bigvocab.load(runs / "shpo")
    (tmp_path / "unblessed" / "serving").mkdir(parents=True)
    for place in ("unblessed", "unblessed/serving"):
        with pytest.raises(PredictError, match="unblessed/serving is empty: no model was pushed yet; the report"):
            bigvocab.load(tmp_path / place)
    (tmp_path / "assets.extra").mkdir()
    (tmp_path / "assets.extra" / "bigvocab.json").write_text(json.dumps({"data": tiny_model.DATA, "top_k": 3}))
    with pytest.raises(PredictError, match="the model cannot be loaded"):
        bigvocab.load(tmp_path)


@pytest.mark.parametrize(("value", "loads"), [(None, True), (3, False)])
def test_a_model_that_was_pushed_before_a_key_was_renamed_is_found(
    tmp_path: Path, value: int | None, loads: bool
) -> None:
    (tmp_path / "assets.extra").mkdir()
    about = {"data": {**tiny_model.DATA, "window": value}, "top_k": 3}
    (tmp_path / "assets.extra" / "bigvocab.json").write_text(json.dumps(about))
    with pytest.raises(PredictError, match="the model cannot be loaded" if loads else r"data\.window"):
        bigvocab.load(tmp_path)
