"""Writing files that a reader sees whole or not at all."""

from __future__ import annotations

import uuid
from pathlib import Path


def write_whole(path: str | Path, text: str) -> None:
    """Writes a text file, its folder too where there is none.

    Args:
        path: local, or in an object store (`gs://`), where an object appears only once it is written.
        text: all of it.
    """
    if "://" in str(path):
        import tensorflow as tf

        with tf.io.gfile.GFile(str(path), "w") as file:
            file.write(text)
        return
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    part.write_text(text, encoding="utf-8")
    part.rename(path)
