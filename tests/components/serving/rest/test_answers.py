"""Tests of the answers, in the format of https://www.tensorflow.org/tfx/serving/api_rest."""

from __future__ import annotations

import json

import numpy as np
import pytest

from components.serving.rest.answers import answer
from components.serving.rest.errors import RequestError

LABELS = np.array([["ä".encode(), b"b"], [b"c", b"\xff"]], dtype=object)
PROBABILITIES = np.array([[0.1, 0.2], [1.0, 1e-9]], np.float32)


def test_rows_have_the_outputs_by_name() -> None:
    found = json.loads(answer({"labels": LABELS, "probabilities": PROBABILITIES}, by_row=True))
    first, second = found["predictions"]
    assert first == {"labels": ["ä", "b"], "probabilities": [0.1, 0.2]}
    assert second["labels"] == ["c", "\ufffd"]
    columns = json.loads(answer({"labels": LABELS[:1], "probabilities": PROBABILITIES[:1]}, by_row=False))
    assert columns == {"outputs": {"labels": [["ä", "b"]], "probabilities": [[0.1, 0.2]]}}


def test_a_single_output_has_no_name() -> None:
    assert json.loads(answer({"values": PROBABILITIES[0]}, by_row=True)) == {"predictions": [0.1, 0.2]}
    assert json.loads(answer({"values": PROBABILITIES[0]}, by_row=False)) == {"outputs": [0.1, 0.2]}


def test_bytes_are_base64_if_the_name_says_so() -> None:
    assert json.loads(answer({"image_bytes": LABELS[1]}, by_row=True)) == {
        "predictions": [{"b64": "Yw=="}, {"b64": "/w=="}]
    }


def test_rows_need_an_entry_for_each_row() -> None:
    with pytest.raises(RequestError, match="ask with 'inputs'"):
        answer({"sum": np.float32(3), "rows": PROBABILITIES}, by_row=True)
    assert json.loads(answer({"sum": np.array(3, np.int64)}, by_row=False)) == {"outputs": 3}
