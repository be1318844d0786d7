"""What an answer of the model must look like, and the client that checks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import model_service_pb2_grpc, predict_pb2, prediction_service_pb2_grpc
from tfx.components.infra_validator import types as validator_types
from tfx.components.infra_validator.model_server_clients import tensorflow_serving_client

from components.infra_validation.errors import BrokenExport
from components.infra_validation.server import UNLIMITED_MESSAGES

REQUEST_SECONDS = 60.0
_SUM_TOLERANCE = 1e-3


def check_answer(outputs: dict[str, np.ndarray], rows: int, k: int | None) -> None:
    """Checks `labels` and `probabilities` of one answer.

    Args:
        outputs: by name; `labels` (rows, k) bytes and `probabilities` (rows, k) floats.
        rows: how many rows were asked about.
        k: how many labels a row must have; None: at least one.

    Raises:
        BrokenExport: an output is missing or of another shape; a probability is not finite, outside [0, 1], greater
            than the one before it, or they sum to more than 1; a label is empty or stands twice in a row.
    """
    missing = [name for name in ("labels", "probabilities") if name not in outputs]
    if missing:
        raise BrokenExport(f"the answer has no output '{missing[0]}', only {sorted(outputs)}")
    labels, probabilities = outputs["labels"], outputs["probabilities"]
    for name, value in (("labels", labels), ("probabilities", probabilities)):
        wanted = (rows, value.shape[-1] if k is None and value.ndim else k)
        if value.shape != wanted or not value.size:
            raise BrokenExport(f"output '{name}' has shape {value.shape} for {rows} rows, not {(rows, k or 'k')}")
    if labels.shape != probabilities.shape:
        raise BrokenExport(f"{labels.shape} labels, but {probabilities.shape} probabilities")
    if not np.isfinite(probabilities).all():
        raise BrokenExport("output 'probabilities' holds NaN or infinity")
    if (probabilities < 0).any() or (probabilities.sum(axis=1) > 1 + _SUM_TOLERANCE).any():
        raise BrokenExport("output 'probabilities' is no distribution: below 0, or a row sums to more than 1")
    if (np.diff(probabilities, axis=1) > 0).any():
        raise BrokenExport("output 'probabilities' is not in descending order")
    for row in labels:
        if not all(row):
            raise BrokenExport("output 'labels' holds an empty label: is the vocabulary in the export?")
        if len(set(row)) != len(row):
            raise BrokenExport(f"output 'labels' holds {row[0]!r} more than once: is the vocabulary in the export?")


class CheckingClient(tensorflow_serving_client.TensorFlowServingClient):
    """TFX's client, which also reads the answers. `load_error` is what the server said of a failed load.

    Args:
        endpoint: `host:port`.
        model_name: the name the server knows the model by.
        k: how many labels a row of an answer must have; None: as many as in the first answer.
        alive: whether the server's process still runs.
    """

    def __init__(
        self, endpoint: str, model_name: str, k: int | None = None, alive: Callable[[], bool] = lambda: True
    ) -> None:
        super().__init__(endpoint, model_name)
        # A proxy of the environment must not stand between two processes of one machine.
        channel = grpc.insecure_channel(endpoint, options=[("grpc.enable_http_proxy", 0), *UNLIMITED_MESSAGES])
        self._channel.close()
        self._channel = channel
        self._model_service = model_service_pb2_grpc.ModelServiceStub(channel)
        self._prediction_service = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        self._k = k
        self._alive = alive
        self.load_error = ""

    def close(self) -> None:
        """Ends the connection."""
        self._channel.close()

    def _GetModelStatus(self) -> Any:
        response = super()._GetModelStatus()
        self.load_error = "; ".join(version.status.error_message for version in response.model_version_status)
        return response

    def _GetServingStatus(self) -> validator_types.ModelServingStatus:
        # TFX's client would go on asking a dead server until the deadline.
        return super()._GetServingStatus() if self._alive() else validator_types.ModelServingStatus.UNAVAILABLE

    def _SendRequest(self, request: Any) -> None:
        if not isinstance(request, predict_pb2.PredictRequest):
            raise NotImplementedError(f"only PredictRequest is answered, not {type(request).__name__}")
        response = self._prediction_service.Predict(request, timeout=REQUEST_SECONDS)
        outputs = {name: tf.make_ndarray(tensor) for name, tensor in response.outputs.items()}
        rows = next(iter(request.inputs.values())).tensor_shape.dim[0].size
        check_answer(outputs, rows, self._k)
        self._k = outputs["labels"].shape[1]
