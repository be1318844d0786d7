"""What an answer of the model must look like, and the client that checks it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import model_service_pb2_grpc, predict_pb2, prediction_service_pb2_grpc
from tfx.components.infra_validator import types as validator_types
from tfx.components.infra_validator.model_server_clients import tensorflow_serving_client

from components.infra_validation.errors import BrokenExport
from components.infra_validation.server import UNLIMITED_MESSAGES
from components.ingest.spec import PROBABILITY, DataSpec

REQUEST_SECONDS = 60.0
_SUM_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Expected:
    """What an answer must hold.

    Attributes:
        k: how many labels a row must have; None: at least one.
        number: whether the label is a number, so that there are `values` in the place of labels.
        classes: further targets that are answered with one of their values.
        numbers: further targets that are answered with a number.
    """

    k: int | None = None
    number: bool = False
    classes: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()

    @classmethod
    def of(cls, k: int | None, data: DataSpec | None) -> Expected:
        """By what the export says of its data; a label of the vocabulary and nothing further where it says nothing."""
        if data is None:
            return cls(k)
        kinds = {name: target.kind for name, target in data.targets.items()}
        classes, numbers = (tuple(n for n, kind in kinds.items() if kind == k) for k in ("category", "number"))
        return cls(k, data.label_kind == "number", classes, numbers)


def check_answer(outputs: dict[str, np.ndarray], rows: int, expected: Expected) -> None:
    """Checks one answer.

    Args:
        outputs: by name; `labels` (rows, k) bytes and `probabilities` (rows, k) floats, or `values` (rows,) floats; of
            each further target (rows,) bytes and `<name>_probability` (rows,) floats, or (rows,) floats.
        rows: how many rows were asked about.
        expected: which of these.

    Raises:
        BrokenExport: an output is missing or of another shape; a number is not finite; a probability is not finite,
            outside [0, 1], greater than the one before it, or those of a row sum to more than 1; a label is empty or
            stands twice in a row.
    """
    if expected.number:
        _check_numbers(outputs, "values", rows)
    else:
        _check_labels(outputs, rows, expected.k)
    for name in expected.numbers:
        _check_numbers(outputs, name, rows)
    for name in expected.classes:
        probabilities = _check_numbers(outputs, f"{name}{PROBABILITY}", rows)
        if (probabilities < 0).any() or (probabilities > 1 + _SUM_TOLERANCE).any():
            raise BrokenExport(f"output '{name}{PROBABILITY}' is no probability: below 0 or above 1")
        if not all(_column(outputs, name, rows)):
            raise BrokenExport(f"output '{name}' is empty: is the vocabulary in the export?")


def _column(outputs: dict[str, np.ndarray], name: str, rows: int) -> np.ndarray:
    if name not in outputs:
        raise BrokenExport(f"the answer has no output '{name}', only {sorted(outputs)}")
    if outputs[name].shape != (rows,):
        raise BrokenExport(f"output '{name}' has shape {outputs[name].shape} for {rows} rows, not {(rows,)}")
    return outputs[name]


def _check_numbers(outputs: dict[str, np.ndarray], name: str, rows: int) -> np.ndarray:
    column = _column(outputs, name, rows)
    if not np.isfinite(column).all():
        raise BrokenExport(f"output '{name}' holds NaN or infinity")
    return column


def _check_labels(outputs: dict[str, np.ndarray], rows: int, k: int | None) -> None:
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
        expected: what an answer must hold; where it does not say how many labels, as many as the first answer has.
        alive: whether the server's process still runs.
    """

    def __init__(
        self,
        endpoint: str,
        model_name: str,
        expected: Expected = Expected(),
        alive: Callable[[], bool] = lambda: True,
    ) -> None:
        super().__init__(endpoint, model_name)
        # A proxy of the environment must not stand between two processes of one machine.
        channel = grpc.insecure_channel(endpoint, options=[("grpc.enable_http_proxy", 0), *UNLIMITED_MESSAGES])
        self._channel.close()
        self._channel = channel
        self._model_service = model_service_pb2_grpc.ModelServiceStub(channel)
        self._prediction_service = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        self._expected = expected
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
        check_answer(outputs, rows, self._expected)
        if not self._expected.number:
            self._expected = dataclasses.replace(self._expected, k=outputs["labels"].shape[1])
