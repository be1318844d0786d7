"""Files of the newest version of a Delta table.

Delta Lake keeps the files of older versions in the same folder. The log in `_delta_log` lists the current files.

Source: https://github.com/delta-io/delta/blob/master/PROTOCOL.md
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pyarrow.parquet as pq
from tfx.dsl.io import fileio

from components.files import open_bytes
from components.ingest.errors import IngestError

_LOG = "_delta_log"
_OTHERS = {".hoodie": "Hudi", "metadata/version-hint.text": "Iceberg"}
_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint(?:\.\d{10}\.\d{10})?\.parquet")


def files_of_newest_version(folder: str) -> set[str] | None:
    """Return the files of the newest version of a Delta table, or None if the folder is not a Delta table.

    Raises:
        IngestError: The log has gaps; files hold deleted rows; or the folder is a table of Iceberg or Hudi.
    """
    for name, table in _OTHERS.items():
        if fileio.exists(f"{folder}/{name}"):
            raise IngestError(
                f"data.source.path: '{folder}' is a table of {table}, which keeps older versions of its rows in the "
                "same folder: export the rows to a folder of their own, or name the files by a pattern"
            )
    if not fileio.exists(f"{folder}/{_LOG}"):
        return None
    files: dict[str, dict[str, Any]] = {}
    for kind, action in _actions(f"{folder}/{_LOG}"):
        if kind == "add":
            files[action["path"]] = action
        else:
            files.pop(action["path"], None)
    if deleted := [path for path, action in files.items() if action.get("deletionVector")]:
        raise IngestError(
            f"data.source.path: {len(deleted):,} files of the Delta table '{folder}' hold deleted rows (deletion "
            f"vectors), among them {deleted[0]}: rewrite them by `REORG TABLE ... APPLY (PURGE)`"
        )
    return {unquote(path) if "://" in path else f"{folder}/{unquote(path)}" for path in files}


def _actions(log: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield all additions and removals of files, oldest first."""
    names = sorted(map(str, fileio.listdir(log)))
    checkpoints = [(int(match[1]), name) for name in names if (match := _CHECKPOINT.fullmatch(name))]
    start = max((version for version, _ in checkpoints), default=-1)
    for version, name in checkpoints:
        if version == start:
            with open_bytes(f"{log}/{name}") as stream:
                file = pq.ParquetFile(stream)
                rows = file.read(columns=[c for c in ("add", "remove") if c in file.schema_arrow.names]).to_pylist()
            yield from ((kind, action) for row in rows for kind, action in row.items() if action)
    commits = {int(match[1]): name for name in names if (match := _COMMIT.fullmatch(name))}
    later = sorted(version for version in commits if version > start)
    if later != list(range(start + 1, start + 1 + len(later))) or (start < 0 and not later):
        raise IngestError(
            f"data.source.path: the log {log} is not complete, so it does not say which files count: name the files by "
            "a pattern"
        )
    for version in later:
        with open_bytes(f"{log}/{commits[version]}") as stream:
            for line in stream.read().splitlines():
                if line.strip():
                    actions = json.loads(line)
                    yield from ((kind, actions[kind]) for kind in ("add", "remove") if actions.get(kind))
