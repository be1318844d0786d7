"""`bigvocab report --follow`: a server on this machine that shows the curves of a training while it runs."""

from __future__ import annotations

import datetime
import json
import math
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TextIO

from components.messages.exit_codes import UserError
from components.report.live import Points, live_page, live_state
from pipeline.paths import Paths

HOST = "127.0.0.1"
_PAGE, _JSON = "text/html; charset=utf-8", "application/json"


class Curves:
    """Reader of the curves that the newest training under a root writes for TensorBoard.

    Args:
        paths: Paths under the root.
    """

    def __init__(self, paths: Paths) -> None:
        self._trainings = Path(paths.artifacts, "Trainer", "model_run")
        self._readers: dict[Path, Any] = {}
        self._lock = threading.Lock()

    def read(self) -> dict[str, Points]:
        """Return the points of each curve by name, such as `validation/perplexity`. Empty before the first point."""
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
        from tensorboard.util.tensor_util import make_ndarray

        with self._lock:
            newest = max(self._trainings.glob("*"), key=lambda folder: folder.stat().st_mtime, default=None)
            if newest is None:
                return {}
            found: dict[str, Points] = {}
            for folder in (newest / "validation", newest / "train"):
                if not any(folder.glob("events*")):
                    continue
                if folder not in self._readers:
                    self._readers[folder] = EventAccumulator(str(folder), size_guidance={"tensors": 0})
                reader = self._readers[folder].Reload()
                for tag in reader.Tags()["tensors"]:
                    points = [(event.step, float(make_ndarray(event.tensor_proto))) for event in reader.Tensors(tag)]
                    found[tag] = [(step, value) for step, value in points if math.isfinite(value)]
            return found


def server(root: Path, port: int) -> ThreadingHTTPServer:
    """Return a server of the page, which has not started.

    Args:
        root: Root of the run, which need not exist yet.
        port: Port; 0 for any free port.

    Raises:
        UserError: The port is in use.
    """
    paths = Paths.of(root)
    curves = Curves(paths)
    report = Path(paths.report, "report.html")

    class Handler(BaseHTTPRequestHandler):
        """Handler of the three addresses."""

        def do_GET(self) -> None:
            """Answer a request."""
            address = self.path.partition("?")[0]
            if address == "/":
                self._answer(live_page(str(root)), _PAGE)
            elif address == "/state.json":
                self._answer(json.dumps(_state(curves.read(), report), allow_nan=False), _JSON)
            elif address == "/report.html" and report.exists():
                self._answer(report.read_text(encoding="utf-8"), _PAGE)
            elif address == "/favicon.ico":  # Browsers ask for it, and write an error if it does not exist.
                self.send_response(HTTPStatus.NO_CONTENT)
                self.end_headers()
            else:
                self.send_error(HTTPStatus.NOT_FOUND)

        def log_message(self, format: str, *args: Any) -> None:
            """Write no line for each request."""

        def _answer(self, text: str, kind: str) -> None:
            body = text.encode()
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

    try:
        return ThreadingHTTPServer((HOST, port), Handler)
    except OSError as error:
        raise UserError(f"port {port} cannot be used: {error.strerror}; --port 0 takes a free one") from error


def follow(root: Path, port: int, out: TextIO) -> int:
    """Serve the page until an interruption, and return the exit code.

    Args:
        root: Root of the run.
        port: Port; 0 for any free port.
        out: Stream for the address.

    Raises:
        UserError: The port is in use.
    """
    with server(root, port) as found:
        print(
            f"http://{HOST}:{found.server_port}/ shows the training under {root}. Ctrl-C ends it.", file=out, flush=True
        )
        try:
            found.serve_forever()
        except KeyboardInterrupt:
            return 0
    return 0


def _state(curves: dict[str, Points], report: Path) -> dict[str, Any]:
    steps = [points[-1][0] for points in curves.values() if points]
    line = f"Step {max(steps):,} of the newest training." if steps else "No training has written a point yet."
    written = ""
    if report.exists():
        written = datetime.datetime.fromtimestamp(report.stat().st_mtime).isoformat()
    return live_state(curves, line, written)
