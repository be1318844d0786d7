"""Form of the output of a run: lines for people or events for programs, with or without the log."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass

from rich.text import Text

from components.messages.redaction import redacted
from components.messages.terminal import Terminal
from pipeline.terminal.console import Console
from pipeline.terminal.events import Events
from pipeline.terminal.redirection import Streams

LOGGERS = ("absl", "components", "pipeline", "tfx")
"""Loggers whose messages `--verbose` shows from level INFO. TFX and the executors of BigVocab log as `absl`. Messages
of other loggers are shown from level WARNING."""


@dataclass(frozen=True)
class Output:
    """Form of the output of a run.

    Attributes:
        as_json: True for events as JSON Lines on standard output.
        verbose: True to show the messages of the log, above the status; with `as_json`, on standard error.
    """

    as_json: bool = False
    verbose: bool = False

    @contextlib.contextmanager
    def opened(self, streams: Streams) -> Iterator[Console]:
        """Return a context with the console of a run.

        Args:
            streams: Original standard output and standard error of the process.
        """
        console = Events(*streams) if self.as_json else Console(streams.out)
        shown = Terminal(streams.err) if self.as_json else console
        with _shown_on(shown) if self.verbose else contextlib.nullcontext():
            try:
                yield console
            except BaseException as error:
                console.left(error)
                raise


FOR_PEOPLE = Output()


class _Handler(logging.Handler):
    """Handler that writes messages to a terminal, above the status."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__(logging.INFO)
        self._terminal = terminal
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S"))

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True for a message that `--verbose` shows."""
        return record.levelno >= logging.WARNING or record.name.partition(".")[0] in LOGGERS

    def emit(self, record: logging.LogRecord) -> None:
        """Write a message. If the terminal is gone, the next line of the run reports it."""
        with contextlib.suppress(OSError, ValueError):
            self._terminal.note(Text(redacted(f"  {self.format(record)}"), "dim"))


@contextlib.contextmanager
def _shown_on(terminal: Terminal) -> Iterator[None]:
    """Show messages of loggers on a terminal, and restore the levels of the loggers at the end."""
    logging.basicConfig()  # With a handler, Python no longer adds the one that writes to the log.
    root, handler = logging.getLogger(), _Handler(terminal)
    before = {name: logging.getLogger(name).level for name in LOGGERS}
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.INFO)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
