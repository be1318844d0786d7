"""Writers of answers to a stream, or to a file that is complete or absent."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from components.files import commit, sync
from components.inference.errors import PredictError
from components.messages.exit_codes import FAILED
from pipeline.terminal.redirection import drop_output

STANDARD_OUTPUT = "-"


class AnswerStream:
    """Writer of answers to a stream, such as standard output. It does not write reasons for missing answers.

    Args:
        stream: Text stream.
        name: Name of the stream in messages.
    """

    reasons: Path | None = None
    """File of the reasons for missing answers."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream = stream
        self._name = name

    def write(self, answers: bytes) -> None:
        """Write the answers of a batch and flush the stream.

        Raises:
            PredictError: The stream cannot be written, such as on a full disk.
            BrokenPipeError: The reader has closed the stream.
        """
        try:
            self._stream.write(answers.decode())
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            drop_output(self._stream)
            raise PredictError(f"{self._name}: {error.strerror}", FAILED) from error

    def unusable(self, reason: dict[str, Any]) -> None:
        """Ignore the reason for a missing answer."""


class AnswerFile:
    """Writer of answers to a file, and of the reasons for missing answers to `FILE.errors.jsonl` beside it.

    Both files appear under their names only when `commit` is called. Without unusable rows, no file of reasons is
    written.

    Args:
        path: File of the answers.
    """

    def __init__(self, path: Path) -> None:
        self.reasons = path.with_name(f"{path.name}.errors.jsonl")
        self._answers = _WholeFile(path)
        self._reasons: _WholeFile | None = None

    def write(self, answers: bytes) -> None:
        """Write the answers of a batch."""
        self._answers.write(answers)

    def unusable(self, reason: dict[str, Any]) -> None:
        """Write the reason for a missing answer as a line of JSON."""
        if self._reasons is None:
            self._reasons = _WholeFile(self.reasons)
        self._reasons.write(json.dumps(reason).encode() + b"\n")

    def commit(self) -> None:
        """Move the files to their final names and replace earlier files.

        An earlier file of reasons is removed if no row is unusable now.
        """
        self._answers.complete()
        if self._reasons is None:
            self.reasons.unlink(missing_ok=True)
        else:
            self._reasons.complete()
            self._reasons.publish()
        self._answers.publish()

    def discard(self) -> None:
        """Remove the files that were not committed."""
        for file in (self._answers, self._reasons):
            if file:
                file.discard()


@contextlib.contextmanager
def answers_to(output: Path | None, standard_output: TextIO) -> Iterator[AnswerStream | AnswerFile]:
    """Open the writer of the answers.

    A regular file is complete or absent: it appears when the context ends without an exception. A device or a named
    pipe is written directly.

    Args:
        output: File to write. None or `-`: standard output.
        standard_output: Stream of the standard output.

    Yields:
        Writer of the answers.

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
    """File that has a temporary name in the same folder until it is published.

    Raises:
        PredictError: The file cannot be written. All methods raise this error.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
        if path.is_dir():
            raise PredictError(f"--output {path}: this is a folder; add a file name")
        if not path.parent.is_dir():
            raise PredictError(f"--output {path}: folder '{path.parent}' does not exist; create it first")
        with self._fault_named():
            self._stream = self._part.open("xb")

    def write(self, contents: bytes) -> None:
        with self._fault_named():
            self._stream.write(contents)

    def complete(self) -> None:
        """Flush the contents to the disk and close the file."""
        with self._fault_named():
            self._stream.close()
            sync(self._part)

    def publish(self) -> None:
        with self._fault_named():
            commit(self._part, self._path)

    def discard(self) -> None:
        with contextlib.suppress(OSError):  # On a full disk, closing fails again.
            self._stream.close()
        self._part.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _fault_named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise PredictError(f"--output {self._path}: {error.strerror}", FAILED) from error
