"""The model server and its client, over gRPC in one process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2, prediction_service_pb2_grpc
from tfx.components.infra_validator import error_types

from components.infra_validation.answers import CheckingClient, Expected
from components.infra_validation.column_requests import column_requests
from components.infra_validation.errors import BrokenExport
from components.infra_validation.server import ModelServer

Export = Callable[..., Path]
Serve = Callable[[Path], ModelServer]
K = 3


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers = []

    def start(path: Path) -> ModelServer:
        servers.append(ModelServer(str(path)))
        servers[-1].load()
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def _serialized(rows: list[tf.train.Example], signature: str = "serving_default") -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = "bigvocab", signature
    request.inputs["examples"].CopyFrom(tf.make_tensor_proto([row.SerializeToString() for row in rows]))
    return request


def _client(server: ModelServer, k: int | None = K) -> CheckingClient:
    return CheckingClient(f"127.0.0.1:{server.port}", "bigvocab", Expected(k))


def _stub(server: ModelServer) -> prediction_service_pb2_grpc.PredictionServiceStub:
    return prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel(f"127.0.0.1:{server.port}"))


def _wait(client: CheckingClient) -> None:
    client.WaitUntilModelLoaded(time.time() + 60, 1)


def test_answers_are_those_of_the_model_in_eager_mode(
    export: Export, serve: Serve, rows: list[tf.train.Example]
) -> None:
    path = export()
    server = serve(path)
    response = _stub(server).Predict(_serialized(rows))
    eager = tf.saved_model.load(str(path)).signatures["serving_default"](  # pyright: ignore
        examples=tf.constant([row.SerializeToString() for row in rows])
    )
    assert tf.make_ndarray(response.outputs["labels"]).tolist() == eager["labels"].numpy().tolist()
    np.testing.assert_allclose(tf.make_ndarray(response.outputs["probabilities"]), eager["probabilities"], rtol=1e-6)
    assert response.model_spec.version.value == 1


def test_both_signatures_answer_alike(export: Export, serve: Serve, rows: list[tf.train.Example]) -> None:
    server = serve(export())
    assert server.servable is not None
    requests = column_requests("bigvocab", "predict", server.servable.signatures["predict"], rows)
    assert [len(tf.make_ndarray(request.inputs["year"])) for request in requests] == [1, len(rows)]
    assert tf.make_ndarray(requests[1].inputs["words"])[1].tolist() == [b"to", b"congress", b"", b"", b""]
    assert np.isnan(tf.make_ndarray(requests[1].inputs["year"])).tolist() == [False, True, False]
    assert tf.make_ndarray(requests[1].inputs["president"]).tolist() == [b"Truman", b"", b"Lincoln"]
    answers = [_stub(server).Predict(request) for request in (_serialized(rows), requests[1])]
    labels = [tf.make_ndarray(answer.outputs["labels"]).tolist() for answer in answers]
    assert labels[0] == labels[1]
    client = _client(server)
    _wait(client)
    client.SendRequests([_serialized(rows), *requests])


def test_metadata_holds_the_signatures(export: Export, serve: Serve) -> None:
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    response = _stub(serve(export())).GetModelMetadata(request)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert {"serving_default", "predict"} <= set(signatures.signature_def)


def test_wrong_requests_are_refused_as_tensorflow_serving_does(
    export: Export, serve: Serve, rows: list[tf.train.Example]
) -> None:
    stub = _stub(serve(export()))
    with pytest.raises(grpc.RpcError) as no_signature:
        stub.Predict(_serialized(rows, "classify"))
    assert no_signature.value.code() == grpc.StatusCode.NOT_FOUND  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(grpc.RpcError) as no_inputs:
        stub.Predict(_serialized(rows, "predict"))
    assert no_inputs.value.code() == grpc.StatusCode.INVALID_ARGUMENT  # pyright: ignore[reportAttributeAccessIssue]
    request = _serialized(rows)
    request.output_filter.append("labels")
    assert list(stub.Predict(request).outputs) == ["labels"]


@pytest.mark.parametrize("fault", ["table", "variables"])
def test_a_broken_export_is_not_served(export: Export, serve: Serve, fault: str) -> None:
    client = _client(serve(export(fault)))
    with pytest.raises(error_types.ValidationFailed, match="failed to load"):
        _wait(client)
    assert {"table": "assets/labels", "variables": "variables.data"}[fault] in client.load_error


@pytest.mark.parametrize(
    ("fault", "message"), [("nan", "NaN"), ("empty", "empty label"), ("constant", "more than once"), ("k", "shape")]
)
def test_wrong_answers_are_refused(
    export: Export, serve: Serve, rows: list[tf.train.Example], fault: str, message: str
) -> None:
    client = _client(serve(export(fault)), K + (fault == "k"))
    _wait(client)
    with pytest.raises(error_types.ValidationFailed) as caught:
        client.SendRequests([_serialized(rows)])
    assert isinstance(caught.value.__cause__, BrokenExport)
    assert message in str(caught.value.__cause__)


def test_k_may_not_change_between_answers(export: Export, serve: Serve, rows: list[tf.train.Example]) -> None:
    client = _client(serve(export()), k=None)
    client.SendRequests([_serialized(rows)])
    client._expected = Expected(K + 1)
    with pytest.raises(error_types.ValidationFailed):
        client.SendRequests([_serialized(rows)])


def test_a_column_that_is_none_is_named(export: Export, serve: Serve, rows: list[tf.train.Example]) -> None:
    signature = serve(export()).servable.signatures["predict"]  # pyright: ignore[reportOptionalMemberAccess]
    signature.inputs["word"].CopyFrom(signature.inputs["words"])
    with pytest.raises(BrokenExport, match="'word' is no column"):
        column_requests("bigvocab", "predict", signature, rows)
