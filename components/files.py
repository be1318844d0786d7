"""Files, on this machine or in an object store."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Literal, cast


def is_remote(path: str | Path) -> bool:
    """Whether a path names a place in an object store, as `gs://bucket/folder` does."""
    return "://" in str(path)


def open_bytes(path: str, mode: Literal["rb", "wb"] = "rb") -> BinaryIO:
    """Open a file, as its bytes are.

    Args:
        path: Local, or in an object store.
        mode: To read or to write.
    """
    if is_remote(path):
        import tensorflow as tf

        return cast("BinaryIO", tf.io.gfile.GFile(path, mode))
    # Python's own is several times faster line by line than TensorFlow's.
    return cast("BinaryIO", Path(path).open(mode))


def read_text(path: str | Path) -> str:
    """Return the contents of a text file, local or in an object store.

    Raises:
        OSError: The file cannot be read. In an object store: TensorFlow's `OpError`.
    """
    with open_bytes(str(path)) as file:
        return file.read().decode("utf-8")


def write_whole(path: str | Path, text: str) -> None:
    """Writes a text file, its folder too where there is none; a reader sees all of it or no file.

    Args:
        path: local, or in an object store, where an object appears only once it is written.
        text: all of it.

    Raises:
        OSError: it could not be written; names the file, and leaves no part of it.
    """
    if is_remote(path):
        import tensorflow as tf

        with tf.io.gfile.GFile(str(path), "w") as file:
            file.write(text)
        return
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.rename(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error  # A failed write alone names no file.


def matching(patterns: Sequence[str]) -> list[str]:
    """The files that patterns find, in order; not the folders that Beam leaves beside them when it is killed."""
    import tensorflow as tf

    found = sorted(path for pattern in patterns for path in tf.io.gfile.glob(pattern))
    return [path for path in found if not tf.io.gfile.isdir(path)]
