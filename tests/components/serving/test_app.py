"""Tests of the paths of the server, by a client of TensorFlow Serving's REST interface."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import math
from pathlib import Path
from typing import Any

import pytest

from components.inference.model import PushedModel
from components.serving import app as serving_app
from components.serving.server import Serving
from tests.components.serving import planted_model
from tests.components.serving.conftest import Client

MODEL = "/v1/models/planted"
ROWS: list[dict[str, Any]] = [
    {"words": ["the", "boat"], "hour": 3.0, "country": "DE"},
    {"words": ["car"], "hour": 0.0, "country": ""},
    {"words": ["plane", "boat", "the", "the"], "hour": 20.0, "country": "FR"},
    {"words": ["unknown"], "hour": 9.0, "country": "DE"},
]


def body(row: dict[str, Any]) -> str:
    """Return a request with one row."""
    return json.dumps({"signature_name": "predict", "instances": [row]})


def assert_right(prediction: dict[str, Any], row: dict[str, Any], scale: float = 1.0) -> None:
    expected = planted_model.probabilities(row, scale)
    assert prediction["labels"] == sorted(expected, key=expected.__getitem__, reverse=True)[: planted_model.TOP]
    assert prediction["probabilities"] == pytest.approx([expected[label] for label in prediction["labels"]], rel=1e-4)


def test_rows_are_answered_as_the_model_answers_them(client: Client) -> None:
    for row in ROWS:
        (prediction,) = client.post(f"{MODEL}:predict", content=body(row)).json()["predictions"]
        assert_right(prediction, row)
    padded = [{**row, "words": row["words"] + [""] * (4 - len(row["words"]))} for row in ROWS]
    columns = {name: [row[name] for row in padded] for name in padded[0]}
    found = client.post(f"{MODEL}/versions/3:predict", json={"signature_name": "predict", "inputs": columns}).json()
    for number, row in enumerate(ROWS):
        assert_right({name: values[number] for name, values in found["outputs"].items()}, row)


def test_serialized_examples_are_answered(client: Client, server: Serving) -> None:
    row = {"words": "The boat"}
    example = base64.b64encode(server.versions.current.example(row)).decode()
    (prediction,) = client.post(f"{MODEL}:predict", json={"instances": [{"b64": example}]}).json()["predictions"]
    assert_right(prediction, {"words": ["the", "boat"]})


def test_fifty_clients_at_once_get_the_answers_of_the_model(client: Client, exports: Path) -> None:
    rows = [
        {**ROWS[n % 4], "hour": float(n % 24), "words": ["the"] * (n % 5) + ROWS[n % 4]["words"]} for n in range(50)
    ]
    texts = [{**row, "words": " ".join(row["words"])} for row in rows]
    expected = PushedModel(exports / "3").predict(texts, top=planted_model.TOP)

    async def one(number: int) -> None:
        async with client.connection() as connection:
            for turn in range(4):
                at = (number + turn) % len(rows)
                wrong = await connection.post(f"{MODEL}:predict", content=body(rows[at])[:-3])
                assert wrong.status_code == 400
                right = await connection.post(f"{MODEL}:predict", content=body(rows[at]))
                (prediction,) = right.json()["predictions"]
                assert prediction["labels"] == [each["label"] for each in expected[at]]
                assert prediction["probabilities"] == pytest.approx([e["probability"] for e in expected[at]], abs=1e-5)

    async def all_at_once() -> None:
        await asyncio.gather(*map(one, range(50)))

    asyncio.run(all_at_once())
    joined = [line for line in client.get("/metrics").text.splitlines() if line.startswith("bigvocab_serve_batch_rows")]
    figures = {name.removeprefix("bigvocab_serve_batch_rows"): float(value) for name, value in map(str.split, joined)}
    assert figures["_count"] < figures["_sum"], "waiting requests are answered together"


def test_the_state_and_the_signatures_have_the_form_of_tensorflow_serving(client: Client) -> None:
    ok = {"version": "3", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    for path in (MODEL, f"{MODEL}/versions/3"):
        assert client.get(path).json() == {"model_version_status": [ok]}
    found = client.get(f"{MODEL}/metadata").json()
    assert found["model_spec"] == {"name": "planted", "signature_name": "", "version": "3"}
    predict = found["metadata"]["signature_def"]["signature_def"]["predict"]
    assert predict["inputs"]["words"]["dtype"] == "DT_STRING"
    assert predict["inputs"]["words"]["tensor_shape"]["dim"] == [{"size": "-1", "name": ""}] * 2
    assert predict["method_name"] == "tensorflow/serving/predict"


@pytest.mark.parametrize(
    ("method", "path", "content", "status", "message"),
    [
        ("POST", "/v1/models/other:predict", "{}", 404, "Latest(other); the model here is 'planted', version 3"),
        ("POST", f"{MODEL}/versions/4:predict", "{}", 404, "Specific(planted, 4)"),
        ("POST", f"{MODEL}/versions/x:predict", "{}", 400, "Failed to convert version: x to numeric."),
        ("GET", "/v1/models/other", "", 404, "Could not find any versions of model other"),
        ("GET", f"{MODEL}/versions/4", "", 404, "Could not find version 4 of model planted"),
        ("POST", f"{MODEL}:classify", "{}", 400, "Expected classify signature"),
        ("POST", f"{MODEL}:foo", "{}", 400, f"Malformed request: POST {MODEL}:foo"),
        ("GET", f"{MODEL}:predict", "", 400, "Malformed request"),
        ("GET", "/nothing", "", 404, "Malformed request"),
        ("POST", f"{MODEL}:predict", "{", 400, "JSON Parse error"),
        ("POST", f"{MODEL}:predict", '{"instances": ["no example"]}', 400, "no serialized tf.Example"),
        ("POST", f"{MODEL}:explain", '{"row": {"wrds": "a"}}', 400, "no column 'wrds'; did you mean 'words'?"),
        ("POST", f"{MODEL}:explain", '{"row": {"words": ""}}', 400, "0 tokens"),
        ("POST", f"{MODEL}:explain", '{"row": {"words": "a", "hour": "x"}}', 400, "column 'hour' holds 'x'"),
        ("POST", f"{MODEL}:explain", '{"row": {"words": "a"}, "top": 9}', 400, "from 1 to 3"),
        ("POST", f"{MODEL}:explain", '{"row": []}', 400, "'row' must be an object"),
        ("GET", f"{MODEL}:suggest?column=contry", "", 400, "did you mean 'country'?"),
        ("GET", f"{MODEL}:suggest?limit=x", "", 400, "parameter 'column': Field required; parameter 'limit'"),
    ],
)
def test_a_wrong_request_has_an_error_in_json(
    client: Client, method: str, path: str, content: str, status: int, message: str
) -> None:
    found = client.request(method, path, content=content)
    assert found.status_code == status
    assert [*found.json()] == ["error"]
    assert message in found.json()["error"]


def test_a_body_that_is_too_large_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving_app, "MAX_BODY", 1 << 20)
    found = client.post(f"{MODEL}:predict", content=b" " * ((1 << 20) + 1))
    assert (found.status_code, "1 MiB" in found.json()["error"]) == (413, True)


def test_a_body_may_be_packed_with_gzip(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(body(ROWS[0]).encode())

    def ask(content: bytes) -> tuple[int, dict[str, Any]]:
        found = client.post(f"{MODEL}:predict", content=content, headers={"Content-Encoding": "gzip"})
        return found.status_code, found.json()

    status, found = ask(packed)
    assert status == 200
    assert_right(found["predictions"][0], ROWS[0])
    for content, wanted, message in ((b"{}", 400, "not packed"), (packed[:-9], 413, "cut off")):
        status, found = ask(content)
        assert (status, message in found["error"]) == (wanted, True)
    monkeypatch.setattr(serving_app, "MAX_BODY", 1 << 20)
    assert ask(gzip.compress(b" " * (2 << 20)))[0] == 413


def test_a_fault_of_the_server_is_not_shown(client: Client, server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(server.versions.current), "answer", lambda *_: 1 / 0)
    found = client.post(f"{MODEL}:predict", content=body(ROWS[0]))
    assert found.status_code == 500
    assert found.json() == {"error": "the server failed: ZeroDivisionError; its log has the cause"}
    monkeypatch.undo()
    assert client.post(f"{MODEL}:predict", content=body(ROWS[0])).status_code == 200


def test_contributions_are_the_differences_without_each_value(client: Client) -> None:
    row = {"words": "The boat", "hour": 2.0, "country": "DE"}
    found = client.post(f"{MODEL}:explain", json={"row": row, "top": 2}).json()
    assert found["tokens"] == {"words": ["the", "boat"]}
    whole = planted_model.probabilities({**row, "words": ["the", "boat"]})
    assert [each["label"] for each in found["answer"]] == ["sea", "road"]
    changed = [
        ("words", {**row, "words": ["boat"]}),
        ("words", {**row, "words": ["the"]}),
        ("hour", {"words": ["the", "boat"], "country": "DE"}),
        ("country", {"words": ["the", "boat"], "hour": 2.0}),
    ]
    for value, (column, other) in zip(found["values"], changed, strict=True):
        rest = planted_model.probabilities(other)
        ranked = sorted(rest, key=rest.__getitem__, reverse=True)[: planted_model.TOP]
        assert value["column"] == column
        for label, nats, bound in zip(("sea", "road"), value["contributions"], value["at_least"], strict=True):
            assert bound == (label not in ranked)
            least = rest[ranked[-1]] if bound else rest[label]
            assert nats == pytest.approx(math.log(whole[label] / least), abs=1e-3)
    decisive = max(found["values"], key=lambda value: value["contributions"][0])
    assert (decisive["value"], decisive["place"]) == ("boat", 1)


def test_known_values_are_suggested(client: Client) -> None:
    found = client.get(f"{MODEL}:suggest", params={"column": "words", "prefix": "B"}).json()
    assert found == {"suggestions": [{"value": "boat", "count": 9}]}
    found = client.get(f"{MODEL}:suggest", params={"column": "country", "limit": 1}).json()
    assert found == {"suggestions": [{"value": "DE", "count": 5}]}


def test_metrics_count_the_requests(client: Client) -> None:
    client.get("/v1/invented/by/a/client")
    assert client.post(f"{MODEL}:predict", content=body(ROWS[0])).status_code == 200
    found = client.get("/monitoring/prometheus/metrics")
    assert found.headers["content-type"].startswith("text/plain")
    for name in (
        'bigvocab_serve_requests_total{code="200",method="predict"}',
        'bigvocab_serve_requests_total{code="400",method="other"}',
        'bigvocab_serve_request_seconds_count{method="predict"}',
        "bigvocab_serve_model_version 3.0",
        "bigvocab_serve_waiting_rows 0.0",
        'bigvocab_serve_loads_total{result="loaded"} 1.0',
        ':tensorflow:serving:request_count{model_name="planted",status="OK"}',
        ':tensorflow:serving:request_latency_count{API="predict",entrypoint="REST",model_name="planted"}',
    ):
        assert name in found.text, name
    assert "invented" not in found.text


def test_the_requests_are_described(client: Client) -> None:
    found = client.get("/openapi.json").json()
    predict = found["paths"]["/v1/models/{name}:predict"]["post"]
    example = predict["requestBody"]["content"]["application/json"]["example"]
    assert client.post(f"{MODEL}:predict", json=example).status_code == 200
    explain = found["paths"]["/v1/models/{name}:explain"]["post"]["requestBody"]["content"]["application/json"]
    assert client.post(f"{MODEL}:explain", json=explain["example"]).status_code == 200
    page = client.get("/docs").text
    assert "POST /v1/models/{name}:predict" in page
    assert "http://" not in page
    assert "https://" not in page
    assert client.get("/health").json() == {"status": "ok", "model": "planted", "version": "3"}
