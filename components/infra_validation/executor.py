"""TFX's InfraValidator with the container of the model server swapped for a child process."""

from __future__ import annotations

import json
import tempfile
import textwrap
import time
from typing import Any

import grpc
import tensorflow as tf
from absl import logging
from tfx import types
from tfx.components.evaluator import constants as evaluator_constants
from tfx.components.infra_validator import error_types, request_builder, serving_bins
from tfx.components.infra_validator import executor as tfx_executor
from tfx.components.infra_validator import types as validator_types
from tfx.components.util import model_utils
from tfx.dsl.io import fileio
from tfx.proto import infra_validator_pb2
from tfx.utils import path_utils

from components.infra_validation.answers import CheckingClient, Expected
from components.infra_validation.column_requests import column_requests
from components.infra_validation.errors import BrokenExport
from components.infra_validation.process import ChildProcessRunner
from components.ingest.spec import DataSpec
from components.storage import storage_fault

CAUSE_FILE = "cause.txt"
METADATA_FILE = "assets.extra/bigvocab.json"
_POLL_SECONDS = 0.2
_BASE_MEMORY_MB = 3_072
_MEMORY_PER_EXPORT_BYTE = 8
_CAUSE_CHARACTERS = 600


class Executor(tfx_executor.Executor):
    """Loads the model as TensorFlow Serving does, asks it real rows and reads the answers.

    Requests with serialized tf.Examples, retries, and the blessing are TFX's own. The model server is
    `components.infra_validation.server` in a child process. Signatures of the RequestSpec that take named columns are
    asked too, and every answer is checked (`answers.check_answer`).

    A model that cannot be loaded or answers wrongly is not blessed; why stands in the log and in `cause.txt` beside
    `INFRA_NOT_BLESSED`. A fault that is not the model's (no examples) fails the node.
    """

    def _Do(
        self,
        model: types.Artifact,
        examples: types.Artifact | None,
        blessing: types.Artifact,
        serving_spec: infra_validator_pb2.ServingSpec,
        validation_spec: infra_validator_pb2.ValidationSpec,
        request_spec: infra_validator_pb2.RequestSpec | None,
    ) -> None:
        if examples is None or request_spec is None:
            raise ValueError("the infra validator needs examples and a request_spec: loading alone proves little")
        self._cause, self._log = "", None
        self._columns: dict[str, Any] = {}
        try:
            serialized = self._split_signatures(self._PrepareModelPath(model, serving_spec), request_spec)
        except BrokenExport as fault:
            logging.error("%s", fault)
            self._cause = str(fault)
            tfx_executor._mark_not_blessed(blessing)
        else:
            super()._Do(model, examples, blessing, serving_spec, validation_spec, serialized)
        blessing.set_string_custom_property(evaluator_constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri)
        if not model_utils.is_infra_validated(blessing):
            cause = textwrap.shorten(
                self._cause or "no cause is known: see the log", _CAUSE_CHARACTERS, placeholder=" ..."
            )
            text = cause + (f"\n\nThe model server's log ends with:\n{self._log}" if self._log else "") + "\n"
            with fileio.open(f"{blessing.uri}/{CAUSE_FILE}", "w") as file:
                file.write(text)

    def _PrepareModelPath(self, model: types.Artifact, serving_spec: infra_validator_pb2.ServingSpec) -> str:
        del serving_spec  # our server wants no copy in a directory named by a version
        return path_utils.serving_model_path(model.uri, path_utils.is_old_model_artifact(model))

    def _split_signatures(
        self, model_path: str, request_spec: infra_validator_pb2.RequestSpec
    ) -> infra_validator_pb2.RequestSpec:
        """Keeps the signatures with named columns, and returns the spec with the others, which TFX's builder can do."""
        spec = request_spec.tensorflow_serving
        try:
            signatures = request_builder._parse_saved_model_signatures(model_path, spec.tag_set, spec.signature_names)
        except (ValueError, OSError, RuntimeError) as error:
            raise BrokenExport(f"the export in {model_path} cannot be read: {error}") from error
        result = infra_validator_pb2.RequestSpec()
        result.CopyFrom(request_spec)
        del result.tensorflow_serving.signature_names[:]
        for name, signature in signatures.items():
            if _takes_examples(signature):
                result.tensorflow_serving.signature_names.append(name)
            else:
                self._columns[name] = signature
        if not result.tensorflow_serving.signature_names:
            raise BrokenExport(f"none of the signatures {sorted(signatures)} takes serialized tf.Examples")
        return result

    def _ValidateOnce(
        self,
        model_path: str,
        serving_binary: serving_bins.ServingBinary,
        serving_spec: infra_validator_pb2.ServingSpec,
        validation_spec: infra_validator_pb2.ValidationSpec,
        requests: list[validator_types.Request],
    ) -> None:
        del serving_binary  # an image; ours is a child process
        deadline = time.time() + validation_spec.max_loading_time_seconds
        memory_mb = _BASE_MEMORY_MB + (_MEMORY_PER_EXPORT_BYTE * _size(model_path) >> 20)
        runner = ChildProcessRunner(model_path, memory_mb=memory_mb)
        client: CheckingClient | None = None
        try:
            runner.Start()
            runner.WaitUntilRunning(deadline)
            client = CheckingClient(
                runner.GetEndpoint(),
                serving_spec.model_name,
                _expected(model_path),
                alive=lambda: runner.exit_status() is None,
            )
            client.WaitUntilModelLoaded(deadline, _POLL_SECONDS)  # pyright: ignore[reportArgumentType]
            rows = [tf.train.Example.FromString(_only_record(request)) for request in requests]
            for name, signature in self._columns.items():
                requests = [*requests, *column_requests(serving_spec.model_name, name, signature, rows)]
            client.SendRequests(requests)
            logging.info("%d requests were answered well.", len(requests))
        except error_types.GracefulShutdown:
            raise
        except Exception as error:
            self._cause, self._log = _explain(error, client, runner), runner.GetLogs()
            # The server writes into the folder for temporary files: a fault of that is not the model's.
            fault = storage_fault(error, tempfile.gettempdir()) or storage_fault(self._log or "", tempfile.gettempdir())
            if fault:
                raise error_types.GracefulShutdown(f"the model could not be tried: {fault}") from error
            logging.error("%s\nThe model server's log ends with:\n%s", self._cause, self._log)
            raise
        finally:
            if client is not None:
                client.close()
            runner.Stop()


def read_cause(blessing_uri: str) -> str | None:
    """Why the infra validator refused a model, in a sentence; None when it did not."""
    path = f"{blessing_uri}/{CAUSE_FILE}"
    if not fileio.exists(path):
        return None
    with fileio.open(path, "r") as file:
        return str(file.read()).splitlines()[0]


def _explain(error: BaseException, client: CheckingClient | None, runner: ChildProcessRunner) -> str:
    status = runner.exit_status()
    if status is not None:
        return f"the model server died {f'of signal {-status}' if status < 0 else f'with status {status}'}"
    if client is not None and client.load_error:
        return f"the model cannot be loaded: {client.load_error}"
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, grpc.RpcError):
        return f"the model does not answer: {error.details()}"  # pyright: ignore[reportAttributeAccessIssue]
    return str(error)


def _takes_examples(signature: Any) -> bool:
    """TFX's rule: one input, a vector of strings."""
    inputs = list(signature.inputs.values())
    return len(inputs) == 1 and inputs[0].dtype == tf.string.as_datatype_enum and len(inputs[0].tensor_shape.dim) == 1


def _only_record(request: Any) -> bytes:
    return tf.make_ndarray(next(iter(request.inputs.values())))[0]


def _expected(model_path: str) -> Expected:
    path = f"{model_path}/{METADATA_FILE}"
    if not fileio.exists(path):
        return Expected()
    with fileio.open(path, "r") as file:
        about = json.loads(file.read())
    data = about.get("data")
    return Expected.of(about.get("top_k"), DataSpec.model_validate(data) if data else None)


def _size(directory: str) -> int:
    """Bytes of all files below a directory."""
    paths = [f"{folder}/{name}" for folder, _, names in fileio.walk(directory) for name in names]
    return sum(tf.io.gfile.stat(path).length for path in paths)
