"""Command `bigvocab serve`."""

from __future__ import annotations

import argparse
import importlib.util
import logging
import signal
import sys
from pathlib import Path

from components.messages.exit_codes import UserError
from components.messages.formatting import printable
from pipeline.cli.arguments import Parser, count
from pipeline.cli.prediction.commands import add_model
from pipeline.terminal.redirection import native_messages_hidden

_NEEDED = ("fastapi", "uvicorn", "prometheus_client")


def add(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    serve = commands.add_parser(
        "serve",
        help="serve a pushed model by REST, with a page to try it",
        description="Serve a pushed model with the REST paths and the JSON of TensorFlow Serving, and a page to try it "
        "at /. A newly pushed version, or a rollback, replaces the served version within about a second. Ctrl-C ends "
        "the server.",
    )
    add_model(serve)
    serve.add_argument("--port", type=_port, default=8501, help="default: 8501, as in TensorFlow Serving; 0: any free")
    serve.add_argument("--host", default="localhost", help="default: localhost; 0.0.0.0 opens it to the network")
    serve.add_argument(
        "--name", type=_name, help="name of the model in the paths, /v1/models/NAME (default: that of the run)"
    )
    serve.add_argument(
        "--max-batch",
        type=count,
        default=64,
        metavar="N",
        help="rows of waiting requests that one call of the model answers together (default: 64)",
    )
    serve.set_defaults(do=_serve)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"'{text}' is no port: a number from 0 to 65535")
    return int(text)


def _name(text: str) -> str:
    if not text or any(character in text for character in ":/?#"):
        raise argparse.ArgumentTypeError(f"'{text}': a name has at least one character, and none of : / ? #")
    return text


def _serve(arguments: argparse.Namespace) -> int:
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"{', '.join(missing)} not installed: pip install 'bigvocab[pipeline,serve]'")
    from pipeline.prediction.model import model_name, versions_folder

    folder: Path = versions_folder(arguments.model)
    name = arguments.name or model_name(folder)
    # Uvicorn answers the requests in progress, and then raises the signal again.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with native_messages_hidden():
        from components.serving import server

        listening = server.bound(arguments.host, arguments.port)
        with listening, server.serving(folder, name, arguments.max_batch, _say) as parts:
            address = f"http://{arguments.host}:{listening.getsockname()[1]}"

            def ready() -> None:
                _say(f"Serving version {parts.versions.current.version} of {folder}:")
                _say(f"  {address}/  a page to try the model; {address}/docs  its requests")
                _say(f"  POST {address}/v1/models/{name}:predict")

            try:
                server.run(parts.app, listening, ready)
            except KeyboardInterrupt:
                _say("Stopped")
    return 0


def _say(text: str) -> None:
    print(printable(text), file=sys.stdout, flush=True)
