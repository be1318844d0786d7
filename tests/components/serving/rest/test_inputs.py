"""Tests of the inputs of requests, in the format of https://www.tensorflow.org/tfx/serving/api_rest."""

from __future__ import annotations

import contextlib
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.serving.rest.errors import RequestError
from components.serving.rest.inputs import MAX_ROWS, Asked, document, inputs_of, signature_of
from components.serving.rest.signatures import Input, Signature
from tests.drawing import drawn

EXAMPLES = Signature("serving_default", "", {"examples": Input("DT_STRING", (-1,))}, ("labels",))
COLUMNS = Signature(
    "predict",
    "",
    {"tag": Input("DT_STRING", (-1,)), "signal": Input("DT_STRING", (-1, -1)), "sensor": Input("DT_FLOAT", (-1, -1))},
    ("labels",),
)
OTHER = Signature(
    "other",
    "",
    {"flag": Input("DT_BOOL", (-1,)), "count": Input("DT_INT64", (-1, 2)), "any": Input("DT_DOUBLE", None)},
    (),
)
SIGNATURES = {each.name: each for each in (EXAMPLES, COLUMNS, OTHER)}


def asked(body: Any) -> Asked:
    found = document(body if isinstance(body, bytes) else json.dumps(body).encode())
    return inputs_of(found, signature_of(found, SIGNATURES))


def fault(body: Any) -> str:
    with pytest.raises(RequestError) as refused:
        asked(body)
    return str(refused.value)


ROWS = [
    {"tag": "foo", "signal": ["aGVsbG8=", {"b64": "aGVsbG8="}], "sensor": [[1, 2.5]][0]},
    {"tag": "bar", "signal": ["", "z"], "sensor": [0.5, -3]},
]


def test_rows_and_columns_are_the_same_request() -> None:
    by_row = asked({"signature_name": "predict", "instances": ROWS})
    by_column = asked({"signature_name": "predict", "inputs": {name: [row[name] for row in ROWS] for name in ROWS[0]}})
    assert (by_row.by_row, by_column.by_row, by_row.rows, by_column.rows) == (True, False, 2, 2)
    for found in (by_row, by_column):
        assert found.inputs["tag"].tolist() == [b"foo", b"bar"]
        assert found.inputs["signal"].tolist() == [[b"aGVsbG8=", b"hello"], [b"", b"z"]]
        assert found.inputs["sensor"].tolist() == [[1.0, 2.5], [0.5, -3.0]]
        assert found.inputs["sensor"].dtype == np.float32


def test_a_single_input_needs_no_name() -> None:
    for body in (
        {"instances": [{"b64": "YQ=="}, "b"]},
        {"instances": [{"examples": {"b64": "YQ=="}}, {"examples": "b"}]},
        {"inputs": ["a", "b"]},
        {"inputs": {"examples": ["a", "b"]}, "signature_name": ""},
    ):
        assert asked(body).inputs["examples"].tolist() == [b"a", b"b"], body


def test_other_types_are_converted() -> None:
    found = asked({"signature_name": "other", "inputs": {"flag": [True], "count": [[1, -2]], "any": 2}}).inputs
    assert (found["flag"].tolist(), found["count"].tolist(), found["any"].shape) == ([True], [[1, -2]], ())


def test_nan_and_infinity_are_numbers() -> None:
    body = b'{"signature_name": "predict", "inputs": {"tag": [""], "signal": [[]], "sensor": [[NaN, -Infinity]]}}'
    found = asked(body).inputs
    assert math.isnan(found["sensor"][0, 0])
    assert found["sensor"][0, 1] == -math.inf
    assert found["signal"].shape == (1, 0)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "The document is empty"),
        (b"{", "JSON Parse error"),
        (b'{"instances": [NaN', "JSON Parse error"),
        (b"\xff{}", "JSON Parse error"),
        (b"[" * 100_000, "JSON Parse error"),
        (b"[NaN," * 100_000, "JSON Parse error"),
        ([1], "Is not object"),
        ({"signature_name": 3}, "must be a string"),
        ({"signature_name": "predct"}, "not found in signature def; did you mean 'predict'?"),
        ({}, "Missing 'inputs' or 'instances' key"),
        ({"instance": []}, "did you mean 'instances'?"),
        ({"instances": [], "inputs": []}, "only one of"),
        ({"instances": []}, "at least one value"),
        ({"instances": {}}, "to be a list"),
        ({"inputs": []}, "at least one"),
        ({"instances": [{"exampels": "a"}]}, "did you mean 'examples'?"),
        ({"instances": [{"words": "a"}]}, "signature 'predict' takes columns by name"),
        ({"instances": ["a", {"examples": "b"}]}, "got object at item 1"),
        ({"instances": [{"examples": "a"}, "b"]}, "got list at item 1"),
        ({"instances": [["a"]]}, "nested 2 deep, expected 1"),
        ({"instances": [1]}, "1 is not of expected type: string"),
        ({"instances": [None]}, 'write "" for a missing text'),
        ({"instances": [{"b64": "?"}]}, "Unable to base64 decode"),
        ({"instances": ["a"] * (MAX_ROWS + 1)}, "send several requests"),
        (b'{"instances": ["\\ud800", NaN]}', "surrogate pair"),
        ({"signature_name": "predict", "instances": ["a"]}, "expecting list of objects"),
        ({"signature_name": "predict", "inputs": ["a"]}, "expecting an object"),
        ({"signature_name": "predict", "inputs": {"tag": ["a"]}}, "Missing named input: signal, sensor"),
        (
            {"signature_name": "predict", "instances": [ROWS[0], {**ROWS[1], "signal": ["a"]}]},
            "'signal', element 1 of 'instances': a list of 1 values, expected 2 as in the first row; pad",
        ),
        ({"signature_name": "predict", "instances": [{**ROWS[0], "sensor": [None]}]}, "write NaN for a missing number"),
        ({"signature_name": "predict", "instances": [{**ROWS[0], "sensor": [True]}]}, "true is not of expected type"),
        ({"signature_name": "predict", "instances": [{**ROWS[0], "sensor": [1e39]}]}, "too large"),
        ({"signature_name": "predict", "instances": [{**ROWS[0], "sensor": [10**400]}]}, "infinity"),
        (json.dumps({"inputs": 1, "x": math.nan}).encode(), "nested 0 deep, expected 1"),
        ({"signature_name": "predict", "instances": [{**ROWS[0], "sensor": [[1]]}]}, "nested 3 deep, expected 2"),
        ({"signature_name": "predict", "instances": [{**ROWS[0], "sensor": [1, [1]]}]}, "where a list belongs"),
        (
            {"signature_name": "predict", "inputs": {"tag": ["a"], "signal": [["a"], ["b"]], "sensor": [[1]]}},
            "the same number of rows",
        ),
        ({"signature_name": "other", "inputs": {"flag": [1], "count": [[1, 2]], "any": 1}}, "expected type: bool"),
        ({"signature_name": "other", "inputs": {"flag": [True], "count": [[1]], "any": 1}}, "size 2 but got 1"),
        ({"signature_name": "other", "inputs": {"flag": [True], "count": [[1, 2**63]], "any": 1}}, "type: int64"),
    ],
)  # fmt: skip
def test_a_wrong_request_is_refused_in_a_sentence(body: Any, message: str) -> None:
    assert message in fault(body)


NAMES = ["tag", "signal", "sensor", "flag", "count", "any", "examples", "b64"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just({"b64": "YQ=="}),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=6,
)


def answered_or_refused(body: bytes) -> None:
    with contextlib.suppress(RequestError):
        found = document(body)
        assert isinstance(found, dict)
        signature = signature_of(found, SIGNATURES)
        assert inputs_of(found, signature).inputs.keys() == signature.inputs.keys()


@drawn(150)
@given(st.sampled_from([*SIGNATURES]), st.sampled_from(["instances", "inputs"]), JSON)
def test_any_request_is_answered_or_refused(name: str, form: str, value: Any) -> None:
    answered_or_refused(json.dumps({"signature_name": name, form: value}).encode("utf-8", "surrogatepass"))


@drawn(100)
@given(st.binary(max_size=40))
def test_any_bytes_are_refused_or_an_object(body: bytes) -> None:
    answered_or_refused(body)


@drawn(50)
@given(st.integers(1, 4), st.integers(0, 4), st.data())
def test_every_rectangle_arrives_in_both_formats(rows: int, width: int, data: st.DataObject) -> None:
    def column(element: Any) -> list[Any]:
        return [[data.draw(element) for _ in range(width)] for _ in range(rows)]

    columns = {
        "tag": [data.draw(st.text(max_size=3)) for _ in range(rows)],
        "signal": column(st.text(max_size=3)),
        "sensor": column(st.floats(width=32, allow_nan=False)),
    }
    by_column = asked({"signature_name": "predict", "inputs": columns})
    instances = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    by_row = asked({"signature_name": "predict", "instances": instances})
    for name in columns:
        assert by_row.inputs[name].tolist() == by_column.inputs[name].tolist()
    assert by_row.inputs["signal"].shape == (rows, width)
    assert [[text.decode() for text in row] for row in by_row.inputs["signal"]] == columns["signal"]
    assert by_row.inputs["sensor"].tolist() == columns["sensor"]
