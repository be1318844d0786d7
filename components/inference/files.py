"""Input files of predictions: listing, check and fingerprint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from components.inference.errors import PredictError
from components.inference.formats import clashes
from components.inference.rows.questions import Questions
from components.inference.spec import InferenceSpec
from components.ingest.errors import IngestError
from components.ingest.sources.base import SourceSpec
from components.ingest.sources.files import listing
from components.ingest.sources.registry import named_by_a_kind, source_of, spec_of_kind
from components.ingest.spec import DataSpec


def files_of(path: str, own: SourceSpec) -> list[str]:
    """Return the sorted files of a path.

    In a folder, these are the files with an ending of any kind of source. The list omits empty files, names that start
    with `_` or `.`, and all versions of a Delta table but the newest.

    Args:
        path: File, folder or glob pattern.
        own: Specification of the source that the model was trained on.

    Raises:
        PredictError: No file matches, or all files are empty. Or a file exists twice, packed and unpacked.
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
    """Check the input files of a prediction and return them.

    Args:
        spec: Specification of the rows.
        data: Data specification of the model.
        warn: Function that prints a line of warning; see `Questions`.

    Raises:
        PredictError: See `files_of` and `Questions.check`. Or a kept column has the name of a column of the answers.
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
    """Return the common folder for relative file names, and the files."""
    newest = source_of(spec_of_kind("parquet", path, own)).newest
    try:
        base, pattern = listing.folder_and_pattern(path, Path())
        return base, listing.list_files(base, pattern, lambda file: named_by_a_kind(file, own), (), newest)
    except IngestError as error:
        raise PredictError(str(error).replace("data.source.path", "inference.path")) from error
