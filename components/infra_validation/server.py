"""A model server in one process: TensorFlow Serving's gRPC prediction API over one SavedModel.

    python -m components.infra_validation.server --model DIR --port-file FILE

It listens on the loopback interface only and ends when its standard input is closed, which the operating system does
when the process that started it dies, however it dies. It answers `PredictionService.Predict`,
`PredictionService.GetModelMetadata` and `ModelService.GetModelStatus`, with TensorFlow Serving's states: LOADING until
the model is loaded, then AVAILABLE, or END with the cause. It is there to try a model before it is pushed, not to
serve.
"""

from __future__ import annotations

import argparse
import logging
import os
import resource
import sys
import threading
from collections.abc import Sequence
from concurrent import futures
from typing import Any

import grpc
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from components.files import write_whole
from components.infra_validation.servable import Servable

State = get_model_status_pb2.ModelVersionStatus.State
_LOG = logging.getLogger(__name__)
UNLIMITED_MESSAGES = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


class ModelServer:
    """One model of any name and of version 1, on a port of the loopback interface.

    Args:
        path: directory of the SavedModel.
        port: 0 takes a free one; `port` then says which.
        threads: threads of the session, and of the server.
    """

    def __init__(self, path: str, port: int = 0, threads: int = 1) -> None:
        self.path = path
        self.threads = threads
        self.state: int = State.START
        self.error = ""
        self.servable: Servable | None = None
        # Without SO_REUSEPORT off, two servers could share a port and answer each other's requests.
        options = [("grpc.so_reuseport", 0), *UNLIMITED_MESSAGES]
        self._server = grpc.server(futures.ThreadPoolExecutor(max_workers=threads), options=options)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(_Prediction(self), self._server)
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(_Status(self), self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        self._server.start()

    def load(self) -> None:
        """Loads the model; a broken one sets the state END and its cause, and raises nothing."""
        self.state = State.LOADING
        try:
            self.servable = Servable(self.path, self.threads)
        except Exception as error:
            _LOG.exception("cannot load %s", self.path)
            self.error = f"{type(error).__name__}: {error}"
            self.state = State.END
        else:
            self.state = State.AVAILABLE

    def stop(self) -> None:
        """Ends the server; requests under way are dropped."""
        self._server.stop(grace=None).wait()
        if self.servable is not None:
            self.servable.close()


class _Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, server: ModelServer) -> None:
        self._server = server

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:
        servable = self._servable(context)
        name = request.model_spec.signature_name or tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY
        inputs = {key: tf.make_ndarray(tensor) for key, tensor in request.inputs.items()}
        try:
            outputs = servable.predict(name, inputs, request.output_filter)
        except KeyError as error:
            context.abort(grpc.StatusCode.NOT_FOUND, str(error.args[0]))
        except (ValueError, tf.errors.InvalidArgumentError) as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except tf.errors.OpError as error:
            _LOG.exception("signature '%s' failed", name)
            context.abort(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error.message}")
        response = predict_pb2.PredictResponse()
        self._name_model(response, request)
        response.model_spec.signature_name = name
        for key, value in outputs.items():
            response.outputs[key].CopyFrom(tf.make_tensor_proto(value))
        return response

    def GetModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:
        servable = self._servable(context)
        unknown = [field for field in request.metadata_field if field != "signature_def"]
        if unknown or not request.metadata_field:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"metadata_field must be 'signature_def', not {unknown}")
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for key, signature in servable.signatures.items():
            signatures.signature_def[key].CopyFrom(signature)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        self._name_model(response, request)
        response.metadata["signature_def"].Pack(signatures)
        return response

    def _servable(self, context: grpc.ServicerContext) -> Servable:
        if self._server.servable is None:
            context.abort(grpc.StatusCode.UNAVAILABLE, self._server.error or "the model is not loaded yet")
        assert self._server.servable is not None  # abort has raised
        return self._server.servable

    @staticmethod
    def _name_model(response: Any, request: Any) -> None:
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = 1


class _Status(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, server: ModelServer) -> None:
        self._server = server

    def GetModelStatus(self, request: Any, context: grpc.ServicerContext) -> Any:
        del request, context
        response = get_model_status_pb2.GetModelStatusResponse()
        status = response.model_version_status.add()
        status.version = 1
        status.state = self._server.state
        if self._server.error:
            status.status.error_code = grpc.StatusCode.INTERNAL.value[0]
            status.status.error_message = self._server.error
        return response


def _end_with_parent(stop: threading.Event) -> None:
    while sys.stdin.buffer.read(65536):
        pass
    stop.set()


def main(argv: Sequence[str] | None = None) -> None:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(description="TensorFlow Serving's gRPC prediction API over one SavedModel.")
    parser.add_argument("--model", required=True, help="directory of the SavedModel")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--port-file", help="the port is written here")
    parser.add_argument("--threads", type=int, default=1, help="threads of the session, and of the server")
    parser.add_argument("--memory-mb", type=int, default=0, help="most private memory in MiB; 0: no limit")
    args = parser.parse_args(argv)
    if args.memory_mb:
        # RLIMIT_DATA and not RLIMIT_AS: mapped libraries and files are not what a faulty model eats.
        resource.setrlimit(resource.RLIMIT_DATA, (args.memory_mb << 20, args.memory_mb << 20))
    stop = threading.Event()
    threading.Thread(target=_end_with_parent, args=[stop], daemon=True).start()
    server = ModelServer(args.model, args.port, args.threads)
    print(f"listening on 127.0.0.1:{server.port}", flush=True)
    if args.port_file:
        write_whole(args.port_file, str(server.port))
    # In a thread of its own, so that the parent's end also ends a load that hangs.
    threading.Thread(target=server.load, daemon=True).start()
    stop.wait()
    # Not sys.exit: a session in the middle of a step would hold the process.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
