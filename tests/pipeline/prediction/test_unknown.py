"""Tests of tokens that a model knows in another form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.inference.rows.questions import Questions
from components.inference.rows.unknown import OtherForms
from components.ingest.spec import DataSpec
from components.preprocessing.vocabulary import escape
from tests.pipeline.cli.prediction import tiny_model

KNOWN = ["3.0", "7", "Über", "a b", "i1", "1.0"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    lines = "".join(f"5 {escape(token)}\n" for token in KNOWN)
    (tmp_path / "assets" / "inputs").write_text(lines, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("token", "known"),
    [("3", "3.0"), ("7.0", "7"), ("I1", "i1"), (" a b ", "a b"), ("3.0", None), ("i", None), ("b", None), ("", None)],
)
def test_the_known_form_of_a_token_is_found(token: str, known: str | None, model: Path) -> None:
    assert OtherForms(model / "assets" / "inputs").of("before", token) == known


def warnings_of(rows: list[dict[str, Any]], folder: Path | None, **changes: Any) -> list[str]:
    found: list[str] = []
    data = DataSpec.model_validate({**tiny_model.DATA, **changes})
    assert all(question.example for question in Questions(data, found.append, model=folder).of_rows(rows))
    return found


def test_an_unknown_token_with_a_known_form_is_reported_once_for_a_column(model: Path) -> None:
    rows = [{"before": "3.0", "viewed": "new"}, {"before": 3, "viewed": ["i1", "I1"]}, {"before": 1, "viewed": "I1"}]
    assert warnings_of(rows, model) == [
        f"rows[1]: column '{column}' holds '{token}', which the model does not know; did you mean '{known}'? "
        "All tokens that it does not know are alike to it."
        for column, token, known in (("before", "3", "3.0"), ("viewed", "I1", "i1"))
    ]


def test_nothing_is_reported_of_texts_or_without_a_vocabulary(model: Path, tmp_path: Path) -> None:
    rows = [{"before": "3", "viewed": "I1"}]
    assert warnings_of(rows, None) == warnings_of(rows, tmp_path / "none") == []
    assert warnings_of(rows, model, tokenizer="words") == []
