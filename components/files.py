"""Files on this machine or in an object store."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Literal, cast


def is_remote(path: str | Path) -> bool:
    """Return True if a path is in an object store, as `gs://bucket/folder` is."""
    return "://" in str(path)


def open_bytes(path: str, mode: Literal["rb", "wb"] = "rb") -> BinaryIO:
    """Open a binary file.

    Args:
        path: Local path, or path in an object store.
        mode: `rb` to read, `wb` to write.
    """
    if is_remote(path):
        import tensorflow as tf

        return cast("BinaryIO", tf.io.gfile.GFile(path, mode))
    # Python reads lines several times faster than TensorFlow.
    return cast("BinaryIO", Path(path).open(mode))


def read_text(path: str | Path) -> str:
    """Return the contents of a text file, local or in an object store.

    Raises:
        OSError: The file cannot be read. For a file in an object store, TensorFlow's `OpError`.
    """
    with open_bytes(str(path)) as file:
        return file.read().decode("utf-8")


def write_whole(path: str | Path, text: str) -> None:
    """Write a text file atomically: no reader sees a partial file. Missing folders are created.

    Args:
        path: Local path, or path in an object store, where an object appears only once it is complete.
        text: Contents of the file.

    Raises:
        OSError: The file cannot be written. The error names the file, and no partial file remains.
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
        raise OSError(error.errno, error.strerror, str(path)) from error  # The error of a failed write names no file.


def move(path: str, to: str) -> None:
    """Move a file, local or in an object store. Missing folders are created, and an existing file is replaced."""
    if is_remote(to):
        import tensorflow as tf

        tf.io.gfile.rename(path, to, overwrite=True)
        return
    Path(to).parent.mkdir(parents=True, exist_ok=True)
    Path(path).replace(to)


def matching(patterns: Sequence[str]) -> list[str]:
    """Return the files that match patterns, sorted. Folders are skipped, because a killed Beam run leaves some."""
    import tensorflow as tf

    found = sorted(path for pattern in patterns for path in tf.io.gfile.glob(pattern))
    return [path for path in found if not tf.io.gfile.isdir(path)]
