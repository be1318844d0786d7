"""Listing of the files of a source, and a fingerprint of their contents."""

from __future__ import annotations

import fnmatch
import glob
import hashlib
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from tfx.dsl.io import fileio

from components.files import is_remote, open_bytes
from components.ingest.errors import IngestError, nearest
from components.ingest.sources.files.opening import without_packing
from components.ingest.sources.files.placeholders import EVERYTHING

_HIDDEN = ("_", ".")
_HASHED_BYTES = 256 << 20


def folder_and_pattern(path: str, root: Path) -> tuple[str, str]:
    """Return the folder of a path, and the pattern of its files below the folder; see `Source.place`."""
    if "://" not in path:
        path = str((root / Path(path).expanduser()).resolve())
    if fileio.exists(path):
        is_folder = fileio.isdir(path)
    elif re.search(r"[*?\[{]", path):
        base = re.split(r"[^/]*[*?\[{]", path, maxsplit=1)[0].rstrip("/")
        return base or "/", path[len(base) :].lstrip("/")
    else:
        is_folder = "." not in path.rpartition("/")[2]
    if is_folder:
        return path.rstrip("/") or "/", EVERYTHING
    base, _, name = path.rpartition("/")
    return base or "/", name


def list_files(
    base: str,
    pattern: str,
    takes: Callable[[str], bool],
    endings: Sequence[str],
    newest: Callable[[str], set[str] | None],
) -> list[str]:
    """Return the sorted files of a pattern below a folder; see `Source.files`.

    The list omits empty files, and files and folders whose name starts with `_` or `.`, where Spark, Hive and Delta
    keep logs, checksums and the output of killed jobs. The list includes partitions such as `_year=2026`.

    Args:
        base: Folder of the source.
        pattern: Glob pattern. `EVERYTHING`, or a folder, matches all files below it that belong to the source.
        takes: Function that takes the path of a file and returns True if the file belongs to the source.
        endings: Endings of the names of such files, for messages.
        newest: Function that takes a folder and returns its current files, or None if all files are current.

    Raises:
        IngestError: No file matches, or all files are empty. The message names the nearest file. Or a file exists
            twice, packed and unpacked.
    """
    if not fileio.exists(base):
        parent, _, name = base.rstrip("/").rpartition("/")
        beside = map(str, fileio.listdir(parent or "/") if fileio.isdir(parent or "/") else [])
        raise IngestError(f"data.source.path: '{base}' does not exist{nearest(name, beside)}")
    path = f"{base}/{pattern}"
    if pattern == EVERYTHING or fileio.isdir(path):  # A folder is the folder of a span.
        folder = base if pattern == EVERYTHING else path
        counted = newest(folder)
        files = [f for f in _below(folder) if takes(f) and (counted is None or f in counted)]
        what = f"no file that ends in {', '.join(endings)} below '{folder}'" if endings else f"no file below '{folder}'"
    elif fileio.exists(path):
        files = [path]
        what = ""
    else:
        found = fileio.glob(path) if is_remote(base) else glob.glob(path, recursive=True)
        files = [str(f) for f in found if not fileio.isdir(f) and _is_data(os.path.relpath(str(f), base), pattern)]
        what = f"no file matches '{path}'"
    if not files:
        below = [os.path.relpath(f, base) for f in _below(base)] if "://" not in base else []
        raise IngestError(f"data.source.path: {what}{nearest(pattern, below[:1000])}")
    full = sorted({f for f in files if fileio.stat(f).length})
    if not full:
        raise IngestError(f"data.source.path: the file is empty: {files[0]}" + _and_more(len(files) - 1))
    return _without_twins(full)


def _without_twins(files: list[str]) -> list[str]:
    """Check that no file exists both packed and unpacked, because its rows would count twice, and return the files."""
    by_name: dict[str, str] = {}
    for file in files:
        twin = by_name.setdefault(without_packing(file), file)
        if twin != file:
            raise IngestError(
                f"data.source.path: {twin} and {file} are one file, unpacked and packed, and its rows would count "
                "twice: remove one, or name the files by a pattern"
            )
    return files


def _and_more(number: int) -> str:
    return f", and so are {number:,} more" if number else ""


def fingerprint(files: list[str], base: str) -> str:
    """Return a hash that changes when a file is added, removed, renamed or changed.

    Up to 256 MiB, the hash covers the contents, so that a fresh copy of the same data is a cache hit. For more data, it
    covers sizes and modification times.

    Args:
        files: Paths of the files.
        base: Base folder of the hashed names.
    """
    stats = [fileio.stat(f) for f in files]
    small = sum(s.length for s in stats) <= _HASHED_BYTES
    digest = hashlib.sha256()
    for file, stat in zip(files, stats, strict=True):
        digest.update(f"{os.path.relpath(file, base)}\0{stat.length}\0".encode())
        if small:
            with open_bytes(file) as stream:
                digest.update(stream.read())
        else:
            digest.update(str(stat.mtime_nsec).encode())
    return f"files:{len(files)},bytes:{sum(s.length for s in stats)},sha256:{digest.hexdigest()}"


def length(file: str) -> int:
    """Return the size of a file in bytes."""
    return fileio.stat(file).length


def _below(base: str) -> list[str]:
    return [
        file
        for folder, _, names in fileio.walk(base)
        for file in (f"{str(folder).rstrip('/')}/{name}" for name in map(str, names))
        if _is_data(file[len(base) :].lstrip("/"))
    ]


def _is_data(path: str, pattern: str = "") -> bool:
    """Return True if no folder or file of a path is hidden, except for those that the pattern names."""
    named = [part for part in pattern.split("/") if part.startswith(_HIDDEN)]
    return not any(
        part.startswith(_HIDDEN) and "=" not in part and not any(fnmatch.fnmatch(part, name) for name in named)
        for part in path.split("/")
    )
