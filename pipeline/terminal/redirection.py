"""Redirection of standard output and standard error, including those of native code and child processes."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TextIO

from components.messages.redaction import scrub


class Streams(NamedTuple):
    """Original standard output and standard error, such as a terminal."""

    out: TextIO
    err: TextIO


@contextlib.contextmanager
def everything_into(log: Path) -> Iterator[Streams]:
    """Redirect standard output and standard error to a file, including those of native code and child processes.

    At the end, the secrets of the environment are removed from the file.

    Yields:
        The original streams.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    streams = Streams(*(os.fdopen(os.dup(number), "w", encoding="utf-8") for number in (1, 2)))
    try:
        with log.open("ab", buffering=0) as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        yield streams
    finally:
        for stream, descriptor, original in zip((sys.stdout, sys.stderr), (1, 2), saved, strict=True):
            _flush_or_drop(stream, descriptor)
            os.dup2(original, descriptor)
            os.close(original)
        for stream in streams:
            stream.close()
        with contextlib.suppress(OSError):  # A secret must not hide the cause of a failed run.
            scrub(log)


def _flush_or_drop(stream: TextIO, descriptor: int) -> None:
    """Flush a stream. If its disk is full, drop the rest, which would otherwise appear on the terminal."""
    try:
        stream.flush()
    except OSError:
        with Path(os.devnull).open("wb") as nothing:
            os.dup2(nothing.fileno(), descriptor)
        stream.flush()


@contextlib.contextmanager
def native_messages_hidden() -> Iterator[None]:
    """Hide the startup messages of native libraries on standard error. Python's own messages are still shown."""
    sys.stderr.flush()
    stderr, saved = sys.stderr, os.dup(2)
    if stderr is sys.__stderr__:
        # The error handler of Python's own standard error: a message with invalid Unicode must not fail.
        sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    with Path(os.devnull).open("wb") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        if sys.stderr is not stderr:
            sys.stderr.close()
        sys.stderr = stderr
        os.dup2(saved, 2)
        os.close(saved)


def drop_output(stream: TextIO) -> None:
    """Redirect a stream to the null device after a failed write.

    Otherwise Python fails when it flushes the rest of the stream at exit.
    """
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, stream.fileno())
    os.close(nothing)
