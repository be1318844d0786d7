"""Files of a source, as ExampleGen lists them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.ingest.sources.base import Source
from components.ingest.sources.registry import KINDS, source_of


def source(kind: str, **keys: Any) -> Source:
    """Return the source of a configuration."""
    return source_of(KINDS.own[kind].model_validate({"kind": kind, **keys}))


def files_of(kind: str, path: str, root: Path) -> list[str]:
    """Return the files of a path, which is relative to a folder."""
    of = source(kind, path=path)
    return of.files(*of.place(root))
