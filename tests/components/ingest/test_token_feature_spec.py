"""Tests of the faults of `data.token_features`."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from components.ingest.spec import DataSpec

ROWS: dict[str, Any] = {
    "shape": "sequence",
    "source": {"kind": "jsonl", "path": "rows.jsonl"},
    "inputs": ["items"],
    "tokenizer": "none",
}
EVENTS = {**ROWS, "shape": "events", "group_by": "user", "order_by": "time"}
LABELLED = {**ROWS, "shape": "labelled", "label": "bought"}


@pytest.mark.parametrize(
    ("data", "features", "faults"),
    [
        ({**ROWS, "tokenizer": "words"}, {"kind": "category"}, ["tokenizer 'words' splits a text into tokens"]),
        ({**LABELLED, "inputs": ["items", "viewed"]}, {"kind": "category"}, ["data.inputs names 2"]),
        (ROWS, {"kind": "elapsed"}, ["kind 'elapsed' needs the times of shape 'events'"]),
        ({**EVENTS, "order_by": None}, {"kind": "elapsed"}, ["kind 'elapsed' needs data.order_by"]),
        ({**ROWS, "slices": ["own"]}, {"kind": "category"}, ["column 'own' is a slice: copy the column"]),
        ({**ROWS, "features": {"own": {"kind": "number"}}}, {"kind": "number"}, ["is a feature of the whole row"]),
        ({**ROWS, "targets": {"own": {"kind": "number"}}}, {"kind": "number"}, ["is a target"]),
        ({**EVENTS, "group_by": "own"}, {"kind": "category"}, ["is the group or the split of a row"]),
        ({**ROWS, "inputs": ["own"]}, {"kind": "category"}, ["is an input"]),
        ({**LABELLED, "label": "own"}, {"kind": "category"}, ["is the label"]),
        (ROWS, {"kind": "number", "if_missing": "value"}, ["if_missing: 'value' is not for kind 'number'"]),
        (EVENTS, {"kind": "elapsed", "if_missing": "value"}, ["if_missing: 'value' is not for kind 'elapsed'"]),
        (ROWS, {"kind": "category", "if_missing": "mean"}, ["if_missing: 'mean' is not for kind 'category'"]),
        (ROWS, {"kind": "category", "if_missing": "drop"}, ["Input should be 'mean' or 'value'"]),
        (
            {**ROWS, "tokenizer": "words", "slices": ["own"]},
            {"kind": "elapsed"},
            ["splits a text into tokens", "column 'own' is a slice", "needs the times of shape 'events'"],
        ),
    ],
)
def test_all_faults_at_once(data: dict[str, Any], features: dict[str, Any], faults: list[str]) -> None:
    with pytest.raises(ValidationError) as error:
        DataSpec.model_validate({**data, "token_features": {"own": features}})
    for fault in faults:
        assert fault in str(error.value)


def test_names_that_cannot_be_arguments() -> None:
    with pytest.raises(ValidationError, match="columns 'a b' and 'a_b' are one argument"):
        DataSpec.model_validate(
            {**ROWS, "features": {"a b": {"kind": "number"}}, "token_features": {"a_b": {"kind": "number"}}}
        )
    with pytest.raises(ValidationError, match="names that begin with 'bigvocab/' are the pipeline's own"):
        DataSpec.model_validate({**ROWS, "token_features": {"bigvocab/a": {"kind": "number"}}})
