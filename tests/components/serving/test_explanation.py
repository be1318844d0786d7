"""Tests of contributions for labels that are numbers, for token features, and at the limits."""

from __future__ import annotations

import asyncio
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from components.ingest.rows.columns import RowReader
from components.ingest.spec import DataSpec
from components.serving import explanation
from components.serving.explanation import explained, label_contributions, row_of, values_of, without
from components.serving.rest.errors import RequestError
from components.serving.rest.inputs import Arrays

DATA = DataSpec.model_validate(
    {
        "shape": "labelled",
        "source": {"kind": "csv", "path": "rows.csv"},
        "inputs": ["items"],
        "label": "price",
        "label_kind": "number",
        "tokenizer": "none",
        "token_features": {"count": {"kind": "number"}},
        "targets": {"kind": {"kind": "category"}},
    }
)


@pytest.fixture
def model() -> Any:
    signatures = {"serving_default": SimpleNamespace(inputs={"examples": None})}
    return SimpleNamespace(data=DATA, top_k=None, read=RowReader(DATA, labelled=False), signatures=signatures)


def test_a_token_is_left_out_with_its_features(model: Any) -> None:
    columns = row_of({"row": {"items": ["a", "b", "a"], "count": [1, 2, 3]}}, model)
    left = [without(columns, value, model) for value in values_of(columns, model)]
    assert left == [
        {"items": ["b", "a"], "count": [2.0, 3.0]},
        {"items": ["a", "a"], "count": [1.0, 3.0]},
        {"items": ["a", "b"], "count": [1.0, 2.0]},
    ]


def test_the_contribution_to_a_number_is_a_difference(model: Any) -> None:
    async def ask(inputs: Arrays) -> Arrays:
        rows = len(inputs["examples"])
        kinds = {"kind": np.array([b"new"] * rows, object), "kind_probability": np.full(rows, 0.5, np.float32)}
        return {"values": np.array([5.0, 3.0, 6.0], np.float32)[:rows], **kinds}

    found = asyncio.run(explained(row_of({"row": {"items": ["a", "b"]}}, model), 1, model, ask))
    assert found["answer"] == {"value": 5.0, "kind": {"label": "new", "probability": 0.5}}
    assert [value["contributions"] for value in found["values"]] == [[2.0], [-1.0]]


def test_a_label_that_leaves_the_answers_has_a_lower_bound() -> None:
    labels = np.array([[b"x", b"y"], [b"y", b"z"]], dtype=object)
    probabilities = np.array([[0.8, 0.1], [0.4, 0.2]], np.float32)
    contributions, bounds = label_contributions(labels, probabilities, 2)
    assert contributions.tolist() == [[pytest.approx(math.log(4)), pytest.approx(math.log(0.25))]]
    assert bounds.tolist() == [[True, False]]


def test_long_rows_are_explained_at_their_end_or_refused(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explanation, "MAX_EXPLAINED", 2)
    monkeypatch.setattr(explanation, "MAX_TOKENS", 4)
    columns = row_of({"row": {"items": ["a", "b", "c", "d"]}}, model)
    assert [(value.text, value.place) for value in values_of(columns, model)] == [("c", 2), ("d", 3)]
    with pytest.raises(RequestError, match="5 tokens: a request may have 4"):
        row_of({"row": {"items": ["a"] * 5}}, model)
