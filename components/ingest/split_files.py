"""Files of a source, by split."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from components.ingest.errors import IngestError
from components.ingest.sources.base import Source
from components.ingest.sources.registry import source_of

Files = dict[str, list[str]]
"""Files by split, with the files whose rows are assigned one by one under ""."""


def list_by_split(source: Source[Any], base: str, pattern: str) -> Files:
    """Return the files of a source.

    Args:
        source: Source of the rows.
        base: Folder, from `Source.place`. Not used if each split has files of its own.
        pattern: Pattern, from `Source.place`, with the numbers of a span in place of placeholders.

    Raises:
        IngestError: See `Source.files`. Or a file is in two splits.
    """
    found: Files = {}
    split_of: dict[str, str] = {}
    for split, part, folder, files in _parts(source, base, pattern):
        del part, folder
        found[split] = files
        for file in files:
            other = split_of.setdefault(file, split)
            if other != split:
                raise IngestError(
                    f"data.source.{split}: {file} is also a file of data.source.{other}: each row belongs to one split"
                )
    return found


def fingerprint_by_split(source: Source[Any], base: str, pattern: str) -> str:
    """Return a hash that changes when a file of any split changes; see `Source.fingerprint`.

    Raises:
        IngestError: See `Source.files`.
    """
    parts = {split: part.fingerprint(files, folder) for split, part, folder, files in _parts(source, base, pattern)}
    if list(parts) == [""]:
        return parts[""]
    text = "\n".join(f"{split} {part}" for split, part in parts.items())
    return f"splits:{len(parts)},sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _parts(source: Source[Any], base: str, pattern: str) -> list[tuple[str, Source[Any], str, list[str]]]:
    """Return the split, the source, the folder and the files of each part."""
    if not source.spec.split_paths:
        return [("", source, base, source.files(base, pattern))]
    parts = []
    for split, path in source.spec.split_paths.items():
        part = source_of(source.spec.at(path))
        folder, below = part.place(Path())
        try:
            parts.append((split, part, folder, part.files(folder, below)))
        except IngestError as error:
            raise IngestError(str(error).replace("data.source.path", f"data.source.{split}")) from None
    return parts
