"""The files of a source, and a fingerprint of their contents."""

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
    """Return the folder of a path and the pattern of its files below it; see `Source.place`."""
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
    """Return the files of a pattern below a folder, sorted; see `Source.files`.

    Empty files are left out, and so are files and folders whose name starts with `_` or `.`: Spark, Hive and Delta keep
    logs, checksums and the output of killed jobs there. A partition, as in `_year=2026`, is read.

    Args:
        base: The folder.
        pattern: A glob pattern; or `EVERYTHING`, or a folder, for all files below that are taken.
        takes: Returns whether a file of a folder is taken, by its name.
        endings: Endings of such names, for messages.
        newest: Returns the files of a folder that count, or None if all do.

    Raises:
        IngestError: There is no such file, or each is empty; names the nearest one there is. Or one file is there
            twice, packed and unpacked.
    """
    if not fileio.exists(base):
        parent, _, name = base.rstrip("/").rpartition("/")
        beside = map(str, fileio.listdir(parent or "/") if fileio.isdir(parent or "/") else [])
        raise IngestError(f"data.source.path: '{base}' does not exist{nearest(name, beside)}")
    path = f"{base}/{pattern}"
    if pattern == EVERYTHING or fileio.isdir(path):  # a folder is that of one span
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
    """Return the files if none of them is there packed and unpacked: its rows would count twice."""
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

    It is over the contents while these are small, so that a fresh copy of the same data is known again; beyond
    256 MiB it is over sizes and times of change.

    Args:
        files: The files.
        base: Folder that their names start from.
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
    """Return the bytes of a file."""
    return fileio.stat(file).length


def _below(base: str) -> list[str]:
    return [
        file
        for folder, _, names in fileio.walk(base)
        for file in (f"{str(folder).rstrip('/')}/{name}" for name in map(str, names))
        if _is_data(file[len(base) :].lstrip("/"))
    ]


def _is_data(path: str, pattern: str = "") -> bool:
    """Return whether a path below the source's folder has no hidden part, apart from those that the pattern names."""
    named = [part for part in pattern.split("/") if part.startswith(_HIDDEN)]
    return not any(
        part.startswith(_HIDDEN) and "=" not in part and not any(fnmatch.fnmatch(part, name) for name in named)
        for part in path.split("/")
    )
