"""Server process: a socket, the served version, and the web application."""

from __future__ import annotations

import contextlib
import gc
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from components.messages.exit_codes import FAILED, UserError
from components.serving.app import application
from components.serving.batching import Batcher
from components.serving.metrics import Metrics
from components.serving.versions import POLL_SECONDS, Versions

WORKERS = 2
"""Threads that call the model: one works while the other one waits for the Python part of a call."""
_SWITCH_SECONDS = 0.001
_BACKLOG = 2_048
_SHUTDOWN_SECONDS = 10


@dataclass(frozen=True)
class Serving:
    """Parts of a server.

    Attributes:
        app: Web application.
        versions: The served version.
    """

    app: FastAPI
    versions: Versions


@contextlib.contextmanager
def serving(
    folder: Path, name: str, max_batch: int, say: Callable[[str], object], poll_seconds: float | None = POLL_SECONDS
) -> Iterator[Serving]:
    """Load a model, and yield the parts of a server. At the end, the model is freed.

    Args:
        folder: Folder of all versions, or of one version.
        name: Name of the model in the paths.
        max_batch: Maximum number of rows of a joint call.
        say: Called with a line for people when the served version changes.
        poll_seconds: Time between two looks for a new version. None: none are looked for.

    Raises:
        PredictError: The folder holds no version, or the newest one cannot be loaded.
    """
    versions, metrics = Versions(folder, name, say), Metrics(name)
    batcher = Batcher(WORKERS, max_batch, metrics.batch_rows.observe)
    try:
        app = application(versions, batcher, metrics)
        if poll_seconds is not None:
            versions.watch(poll_seconds)
        yield Serving(app, versions)
    finally:
        batcher.close()
        versions.close()


def bound(host: str, port: int) -> socket.socket:
    """Return a socket at an address.

    Args:
        host: Name or address.
        port: Number of the port; 0: any free one.

    Raises:
        UserError: The address cannot be used.
    """
    try:
        found, *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        # asyncio sets TCP_NODELAY only if the protocol is named. Without it, each answer waits 40 ms for the client's
        # delayed acknowledgment.
        family, kind, protocol, _, address = found
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"cannot listen at {host}:{port}: {reason}; choose another --port or --host", FAILED) from error
    return listening


def run(app: FastAPI, listening: socket.socket, ready: Callable[[], object] = lambda: None) -> None:
    """Serve until the process is interrupted or terminated. Requests in progress are answered.

    Args:
        app: Web application.
        listening: Socket of `bound`.
        ready: Called when clients can connect.
    """
    # A worker that prepares a call would otherwise hold Python's global lock for up to 5 ms.
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.collect()
    gc.freeze()  # The graph of the model has millions of objects, which no later collection has to visit.
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    listening.listen(_BACKLOG)
    ready()
    uvicorn.Server(config).run(sockets=[listening])
