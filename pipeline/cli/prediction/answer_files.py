"""Writers of answers: to a stream, or to a file that is complete or absent."""

from __future__ import annotations

import contextlib
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from pipeline.prediction.questions import PredictError
from pipeline.terminal.console import drop_output
from pipeline.terminal.exit_codes import FAILED

STANDARD_OUTPUT = "-"


class AnswerStream:
    """Answers to a stream, such as standard output; reasons are not written.

    Args:
        stream: Text stream.
        name: Of the stream, for messages.
    """

    reasons: Path | None = None
    """File of the reasons why rows have no answer."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream = stream
        self._name = name

    def write(self, answers: str) -> None:
        """Write the answers to a batch, and flush.

        Raises:
            PredictError: The stream takes no more, as on a full disk.
            BrokenPipeError: Nobody reads any more.
        """
        try:
            self._stream.write(answers)
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            drop_output(self._stream)
            raise PredictError(f"{self._name}: {error.strerror}", FAILED) from error

    def unusable(self, reason: dict[str, Any]) -> None:
        """Take the reason why a row has no answer."""


class AnswerFile:
    """Answers to a file, and the reasons of unusable rows to `FILE.errors.jsonl` beside it.

    Both appear under their names by `commit`, and not before. Without an unusable row there is no file of reasons.

    Args:
        path: Of the answers.
    """

    def __init__(self, path: Path) -> None:
        self.reasons = path.with_name(f"{path.name}.errors.jsonl")
        self._answers = _WholeFile(path)
        self._reasons: _WholeFile | None = None

    def write(self, answers: str) -> None:
        """Write the answers to a batch."""
        self._answers.write(answers)

    def unusable(self, reason: dict[str, Any]) -> None:
        """Write the reason why a row has no answer, as a line of JSON."""
        if self._reasons is None:
            self._reasons = _WholeFile(self.reasons)
        self._reasons.write(json.dumps(reason) + "\n")

    def commit(self) -> None:
        """Put the files in their places; earlier ones are replaced, or removed if they are no longer true."""
        self._answers.complete()
        if self._reasons is None:
            self.reasons.unlink(missing_ok=True)
        else:
            self._reasons.complete()
            self._reasons.publish()
        self._answers.publish()

    def discard(self) -> None:
        """Remove what was not committed."""
        for file in (self._answers, self._reasons):
            if file:
                file.discard()


@contextlib.contextmanager
def answers_to(output: Path | None, standard_output: TextIO) -> Iterator[AnswerStream | AnswerFile]:
    """Open the place of the answers.

    A regular file is complete or absent: it appears when the context ends without an exception. A device or a named
    pipe is written to as it is.

    Args:
        output: A file; None or `-`: standard output.
        standard_output: The stream.

    Raises:
        PredictError: The file cannot be written.
    """
    if output is None or str(output) == STANDARD_OUTPUT:
        yield AnswerStream(standard_output, "standard output")
        return
    if output.exists() and not output.is_file() and not output.is_dir():
        with output.open("w", encoding="utf-8") as stream:
            yield AnswerStream(stream, str(output))
        return
    file = AnswerFile(output.resolve())
    try:
        yield file
        file.commit()
    finally:
        file.discard()


class _WholeFile:
    """Text file that waits under another name, beside its own, until it is published.

    Raises:
        PredictError: In each method, if the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
        if path.is_dir():
            raise PredictError(f"--output {path}: a folder: name a file in it")
        if not path.parent.is_dir():
            raise PredictError(f"--output {path}: no folder '{path.parent}': make it first")
        with self._told():
            # A text of the command line may be no Unicode.
            self._stream = self._part.open("x", encoding="utf-8", errors="backslashreplace")

    def write(self, text: str) -> None:
        with self._told():
            self._stream.write(text)

    def complete(self) -> None:
        """Bring the contents to the disk."""
        with self._told():
            self._stream.flush()
            os.fsync(self._stream.fileno())
            self._stream.close()

    def publish(self) -> None:
        with self._told():
            self._part.replace(self._path)

    def discard(self) -> None:
        with contextlib.suppress(OSError):  # A full disk fails again.
            self._stream.close()
        self._part.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise PredictError(f"--output {self._path}: {error.strerror}", FAILED) from error
