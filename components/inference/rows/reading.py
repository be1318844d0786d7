"""Reader of input files of predictions."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from components.files import is_remote, open_bytes
from components.inference.errors import PredictError
from components.ingest.errors import IngestError
from components.ingest.rows.columns import columns_read
from components.ingest.sources.base import Lines, Range, Rows
from components.ingest.sources.registry import source_of
from components.ingest.spec import DataSpec
from components.messages.exit_codes import FAILED
from components.messages.spelling import did_you_mean

STANDARD_INPUT = "-"


def name_of_file(file: str) -> str:
    """Return the name of a file of rows in messages; `-` is standard input."""
    return "standard input" if file == STANDARD_INPUT else file


def head_of_file(file: str, option: str) -> bytes | None:
    """Return the first 4,096 bytes of a file, or None for a named pipe, which can be read only once.

    Raises:
        PredictError: The file cannot be opened.
    """
    if is_remote(file):
        with open_bytes(file) as stream:
            return stream.read(1 << 12)
    path = Path(file)
    if path.is_dir():
        raise PredictError(f"{option}{file}: a folder: name one of its files")
    try:
        if path.exists() and not path.is_file():
            return None
        with path.open("rb") as stream:
            return stream.read(1 << 12)
    except OSError as error:
        near = did_you_mean(path.name, _files_of(path.parent))
        raise PredictError(f"{option}{file}: {error.strerror}{near}") from error


def _files_of(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir() if path.is_file())
    except OSError:
        return []


def rows_of_range(name: str, file_range: Range, data: DataSpec, keep: Sequence[str]) -> Rows:
    """Yield the rows of a range of a file, and raise faults of the file as `PredictError`."""
    line = 0
    with reading(name, file_range.path, lambda: f" after line {line}" if line else ""):
        for line, row in source_of(data.source).read(file_range, [*columns_read(data), *keep], Lines()):
            yield line, row


@contextlib.contextmanager
def reading(name: str, path: str, place: Callable[[], str] = lambda: "") -> Iterator[None]:
    """Return a context that converts faults of a whole file to `PredictError`.

    Args:
        name: Name of the file in messages.
        path: Path of the file that is read. Standard input is copied to a temporary file.
        place: Function that returns the position where reading stopped, such as " after line 17".
    """
    try:
        yield
    except IngestError as error:
        raise PredictError(str(error).replace(path, name), FAILED) from error
    except EOFError as error:
        reason = f"the compressed data breaks off{place()}: copy or upload the file again"
        raise PredictError(f"{name}: {reason}", FAILED) from error
    except (OSError, zlib.error, UnicodeDecodeError, pa.ArrowException) as error:
        raise PredictError(f"{name}: cannot be read{place()}: {error}", FAILED) from error
