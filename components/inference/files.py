"""Files of rows to answer: their list, a check of them, and their fingerprint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from components.inference.errors import PredictError
from components.inference.formats import clashes
from components.inference.questions import Questions
from components.inference.spec import InferenceSpec
from components.ingest.errors import IngestError
from components.ingest.sources.base import SourceSpec
from components.ingest.sources.files import listing
from components.ingest.sources.registry import named_by_a_kind, source_of, spec_of_kind
from components.ingest.spec import DataSpec


def files_of(path: str, own: SourceSpec) -> list[str]:
    """Return the files of a path, sorted.

    In a folder, these are the files with an ending of any kind of source. Empty files and names that start with `_` or
    `.` are left out, and of a Delta table all but the newest version.

    Args:
        path: File, folder or glob pattern.
        own: Specification of the source that the model was trained on.

    Raises:
        PredictError: No file matches, or each is empty. Or one file exists twice, packed and unpacked.
    """
    return _listed(path, own)[1]


def fingerprint(path: str, own: SourceSpec) -> str:
    """Return a hash that changes when a file of the path is added, removed, renamed or changed.

    Raises:
        PredictError: See `files_of`.
    """
    base, files = _listed(path, own)
    return listing.fingerprint(files, base)


def checked(spec: InferenceSpec, data: DataSpec, warn: Callable[[str], None]) -> list[str]:
    """Return the files of the rows to answer, after a check that their rows can be asked.

    Args:
        spec: The rows.
        data: The model's.
        warn: Called with a line for people; see `Questions`.

    Raises:
        PredictError: See `files_of` and `Questions.check`. Or the answers have a column of the name of a kept one.
    """
    if clashing := clashes(spec.keep, data):
        raise PredictError(f"inference.keep: {clashing[0]}: the answers have a column of this name already")
    assert spec.path
    files, questions = files_of(spec.path, data.source), Questions(data, warn, keep=spec.keep)
    faults = []
    for file in files:
        try:
            questions.check(file)
        except PredictError as error:
            faults.append(str(error))
    if faults:
        more = f"\n... and {len(faults) - 20} more" if len(faults) > 20 else ""
        raise PredictError("\n".join(faults[:20]) + more)
    return files


def _listed(path: str, own: SourceSpec) -> tuple[str, list[str]]:
    """Return the folder that the names of the files are relative to, and the files."""
    newest = source_of(spec_of_kind("parquet", path, own)).newest
    try:
        base, pattern = listing.folder_and_pattern(path, Path())
        return base, listing.list_files(base, pattern, lambda file: named_by_a_kind(file, own), (), newest)
    except IngestError as error:
        raise PredictError(str(error).replace("data.source.path", "inference.path")) from error
