"""Web application of the server.

GET  /v1/models/NAME[/versions/N]             state of the versions, as TensorFlow Serving answers
GET  /v1/models/NAME[/versions/N]/metadata    signatures, likewise
POST /v1/models/NAME[/versions/N]:predict     answers, likewise
POST /v1/models/NAME:explain                  answers to one row, with the contribution of each value
GET  /v1/models/NAME:suggest                  known values of a column by a prefix
GET  /monitoring/prometheus/metrics, /metrics, /health, /openapi.json, /docs, /
"""

from __future__ import annotations

import asyncio
import time
import zlib
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from components.serving import explanation
from components.serving.batching import Batcher
from components.serving.metrics import Metrics
from components.serving.pages import render
from components.serving.pages.openapi import ERROR, explain_body, predict_body
from components.serving.rest import answers, inputs
from components.serving.rest.errors import BAD_REQUEST, FAILED, NOT_FOUND, TOO_LARGE, RequestError
from components.serving.rest.inputs import Arrays
from components.serving.rest.signatures import DEFAULT
from components.serving.suggestions import Suggestions
from components.serving.versions import Versions

MAX_BODY = 16 << 20
"""Maximum size of the body of a request in bytes."""
_GZIP = 16 + zlib.MAX_WBITS
_JSON = "application/json"
_MODEL = "/v1/models/{name}"
_PATHS = (_MODEL, f"{_MODEL}/versions/{{version}}")


def application(versions: Versions, batcher: Batcher, metrics: Metrics) -> FastAPI:
    """Return the web application of a model.

    Args:
        versions: The served version.
        batcher: Queue of the requests.
        metrics: Metrics of the server.
    """
    metrics.watch(versions, batcher)
    app = FastAPI(
        title=f"{versions.name}: a model of BigVocab",
        description="REST interface of TensorFlow Serving for one model. Explain and suggest are extensions.",
        docs_url=None,  # FastAPI's own page loads scripts from the network.
        redoc_url=None,
        redirect_slashes=False,
    )
    app.add_middleware(_Counted, metrics=metrics)
    app.add_exception_handler(RequestError, _refused)
    app.add_exception_handler(RequestValidationError, _wrong_parameter)
    app.add_exception_handler(HTTPException, _not_routed)
    app.add_exception_handler(Exception, _failed)
    _add_predict(app, versions, batcher)
    _add_extensions(app, versions, batcher)
    _add_state(app, versions)
    _add_pages(app, versions, metrics)
    return app


def _add_predict(app: FastAPI, versions: Versions, batcher: Batcher) -> None:
    async def predict(request: Request, name: str) -> Response:
        with versions.using(name, _version(request)) as model:
            asked = inputs.document(await _body(request))
            signature = inputs.signature_of(asked, model.signatures)
            found = inputs.inputs_of(asked, signature)
            outputs = await batcher.answer(model, signature, found.inputs, max(1, found.rows))
        return Response(answers.answer(outputs, found.by_row), media_type=_JSON)

    async def other(request: Request, name: str) -> Response:
        method = _method(request.url.path)
        with versions.using(name, _version(request)) as model:
            was = model.signatures[DEFAULT].method if DEFAULT in model.signatures else ""
        raise RequestError(
            f"Expected {method} signature method_name to be tensorflow/serving/{method}. Was: {was}; ask with :predict"
        )

    body = predict_body(versions.current)
    for path in _PATHS:
        about: dict[str, Any] = {"responses": ERROR, "include_in_schema": path == _MODEL}
        app.post(f"{path}:predict", summary="Answers to rows", openapi_extra=body, **about)(predict)
        app.post(f"{path}:classify", include_in_schema=False)(other)
        app.post(f"{path}:regress", include_in_schema=False)(other)


def _add_extensions(app: FastAPI, versions: Versions, batcher: Batcher) -> None:
    index: list[Suggestions] = []

    async def explain(request: Request, name: str) -> Response:
        with versions.using(name) as model:
            asked = inputs.document(await _body(request))
            if DEFAULT not in model.signatures:
                raise RequestError(f"the model has no signature '{DEFAULT}'")

            async def ask(examples: Arrays) -> Arrays:
                rows = len(next(iter(examples.values())))
                return await batcher.answer(model, model.signatures[DEFAULT], examples, rows)

            columns, top = explanation.row_of(asked, model), explanation.top_of(asked, model)
            found = await explanation.explained(columns, top, model, ask)
            return _json({"model_version": str(model.version), **found})

    async def suggest(name: str, column: str, prefix: str = "", limit: int = 8) -> Response:
        with versions.using(name) as model:
            if not index or index[0].model is not model:
                index[:] = [Suggestions(model)]
            # In a thread: the first call sorts the vocabulary.
            found = await asyncio.to_thread(index[0].of, column, prefix, max(0, limit))
        return _json({"suggestions": found})

    body = explain_body(versions.current)
    path = f"{_MODEL}:explain"
    summary = "Answers to one row, with the contribution of each value"
    app.post(path, summary=summary, responses=ERROR, openapi_extra=body)(explain)
    app.get(f"{_MODEL}:suggest", summary="Known values of a column by a prefix", responses=ERROR)(suggest)


def _add_state(app: FastAPI, versions: Versions) -> None:
    async def status(request: Request, name: str) -> Response:
        if ":" in name:  # Another method.
            raise HTTPException(NOT_FOUND)
        if name != versions.name:
            raise RequestError(f"Could not find any versions of model {name}", NOT_FOUND)
        version, found = _version(request), versions.statuses()
        if version is not None:
            found = [each for each in found if each["version"] == version]
            if not found:
                raise RequestError(f"Could not find version {version} of model {name}", NOT_FOUND)
        return _json({"model_version_status": found})

    async def metadata(request: Request, name: str) -> Response:
        with versions.using(name, _version(request)) as model:
            spec = {"name": name, "signature_name": "", "version": str(model.version)}
            signatures = {"signature_def": {"signature_def": model.metadata()}}
        return _json({"model_spec": spec, "metadata": signatures})

    for path in _PATHS:
        about: dict[str, Any] = {"responses": ERROR, "include_in_schema": path == _MODEL}
        app.get(f"{path}/metadata", summary="Signatures", **about)(metadata)
        app.get(path, summary="State of the versions", **about)(status)


def _add_pages(app: FastAPI, versions: Versions, metrics: Metrics) -> None:
    async def health() -> Response:
        return _json({"status": "ok", "model": versions.name, "version": str(versions.current.version)})

    async def exposed() -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def page() -> Response:
        return HTMLResponse(render.trial(versions.name, versions.current))

    async def docs() -> Response:
        return HTMLResponse(render.reference(app.openapi()))

    app.get("/health", summary="200 while the server answers")(health)
    app.get("/monitoring/prometheus/metrics", summary="Metrics, as text for Prometheus")(exposed)
    app.get("/metrics", include_in_schema=False)(exposed)
    app.get("/", include_in_schema=False)(page)
    app.get("/docs", include_in_schema=False)(docs)


class _Counted:
    """Middleware that counts requests and their time.

    Args:
        app: Application.
        metrics: Metrics of the server.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, code = time.perf_counter(), FAILED

        async def sent(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sent)
        finally:
            self._metrics.count(_method(scope["path"]), code, time.perf_counter() - start)


def _method(path: str) -> str:
    """Return the name of the method of a path in the metrics."""
    if not path.startswith("/v1/models/"):
        return ""
    _, colon, method = path.rpartition(":")
    return method if colon else "metadata" if path.endswith("/metadata") else "status"


async def _body(request: Request) -> bytes:
    """Return the body of a request, unpacked if it is packed with gzip.

    Raises:
        RequestError: The body is too large, or is no gzip although it should be.
    """
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY:
            raise RequestError(f"the body is larger than {MAX_BODY >> 20} MiB: send several requests", TOO_LARGE)
        parts.append(part)
    body = b"".join(parts)
    return _unpacked(body) if request.headers.get("content-encoding", "").lower() == "gzip" else body


def _unpacked(body: bytes) -> bytes:
    unpacker = zlib.decompressobj(_GZIP)
    try:
        found = unpacker.decompress(body, MAX_BODY + 1)
    except zlib.error as error:
        raise RequestError("the body is not packed with gzip, as its Content-Encoding says") from error
    if len(found) > MAX_BODY or not unpacker.eof:
        raise RequestError(f"the body is cut off, or larger than {MAX_BODY >> 20} MiB when it is unpacked", TOO_LARGE)
    return found


def _version(request: Request) -> str | None:
    """Return the version in the path of a request, without leading zeros; None if the path has none.

    Raises:
        RequestError: It is no number.
    """
    version = request.path_params.get("version")
    if version is None:
        return None
    if not (version.isascii() and version.isdecimal() and len(version) < 20):
        raise RequestError(f"Failed to convert version: {version} to numeric.")
    return str(int(version))


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type=_JSON)


async def _refused(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, RequestError)
    return _json({"error": str(error)}, error.status)


async def _wrong_parameter(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, RequestValidationError)
    faults = [f"parameter '{fault['loc'][-1]}': {fault['msg']}" for fault in error.errors()]
    return _json({"error": "; ".join(faults)}, BAD_REQUEST)


async def _not_routed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    status = BAD_REQUEST if path.startswith("/v1/") and error.status_code in (404, 405) else error.status_code
    return _json({"error": f"Malformed request: {request.method} {path}"}, status)


async def _failed(request: Request, error: Exception) -> Response:
    del request
    return _json({"error": f"the server failed: {type(error).__name__}; its log has the cause"}, FAILED)
