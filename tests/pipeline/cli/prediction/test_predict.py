"""Tests of the output of `bigvocab predict` for each kind of answer. A stub replaces the model."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import tensorflow as tf

from components.inference import model
from components.inference.errors import PredictError
from pipeline.cli.prediction import predict

SEQUENCE: dict[str, Any] = {"shape": "sequence", "source": {"kind": "sotu"}, "inputs": ["words"]}
TARGETS = {"targets": {"party": {"kind": "category"}, "year": {"kind": "number"}}}
REGRESSION = {**SEQUENCE, "shape": "labelled", "label": "year", "label_kind": "number"}
LABELS = {"labels": [[b"union", b"world"]], "probabilities": [[0.75, 0.125]]}
FURTHER = {"party": [b"New Party"], "party_probability": [0.5], "year": [1861.5]}


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that asks a model which gives every row the same answer, and returns the output."""

    def asked(data: dict[str, Any], answer: dict[str, Any], rows: list[Any], top: int | None = None) -> str:
        def serve(examples: tf.Tensor) -> dict[str, tf.Tensor]:
            return {name: tf.repeat(tf.constant(value), len(examples), axis=0) for name, value in answer.items()}

        monkeypatch.setattr(model, "_load", lambda folder: SimpleNamespace(signatures={"serving_default": serve}))
        (tmp_path / "assets.extra").mkdir(exist_ok=True)
        about = {"data": data, "top_k": 2 if "labels" in answer else None}
        (tmp_path / "assets.extra" / "bigvocab.json").write_text(json.dumps(about))
        texts = [row for row in rows if isinstance(row, str)]
        file = tmp_path / "rows.jsonl"
        file.write_text("\n".join(json.dumps(row) for row in rows if not isinstance(row, str)))
        out = io.StringIO()
        assert predict.predict(tmp_path, texts, None if texts else file, top, [], out) == 0
        return out.getvalue()

    return asked


def test_labels_are_a_table_for_texts_and_a_list_for_rows(ask: Any) -> None:
    assert ask(SEQUENCE, LABELS, ["the state of the"], top=1) == "the state of the\n  union  0.7500\n"
    assert json.loads(ask(SEQUENCE, LABELS, [{"words": "the"}])) == [
        {"label": "union", "probability": 0.75},
        {"label": "world", "probability": 0.125},
    ]


def test_further_targets_stand_below_the_labels_and_beside_them_in_json(ask: Any) -> None:
    data, answer = {**SEQUENCE, **TARGETS}, {**LABELS, **FURTHER}
    assert ask(data, answer, ["the state"]) == (
        "the state\n  union  0.7500\n  world  0.1250\n  party: New Party  0.5000\n  year: 1861.5\n"
    )
    lines = ask(data, answer, [{"words": "the"}, {"words": "of", "year": 1900}], top=1).splitlines()
    expected = {
        "labels": [{"label": "union", "probability": 0.75}],
        "party": {"label": "New Party", "probability": 0.5},
        "year": 1861.5,
    }
    assert [json.loads(line) for line in lines] == [expected, expected]


def test_a_number_is_named_by_its_column(ask: Any) -> None:
    answer = {"values": tf.constant([1961.6604], tf.float32)}
    assert ask(REGRESSION, answer, ["cold war", "the"]) == "cold war\n  year  1961.66\nthe\n  year  1961.66\n"
    assert json.loads(ask(REGRESSION, answer, [{"words": "the"}])) == {"value": 1961.66}


def test_a_number_has_no_top(ask: Any) -> None:
    with pytest.raises(PredictError, match="--top 3: this model answers a number, year, and no labels"):
        ask(REGRESSION, {"values": [1.0]}, ["the"], top=3)
