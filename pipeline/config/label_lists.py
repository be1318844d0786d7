"""Detection of labels that are lists, in the first rows of local files."""

from __future__ import annotations

import glob
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.extensions import is_path
from components.files import is_remote
from components.ingest.errors import IngestError, RowError
from components.ingest.rows.columns import columns_read
from components.ingest.sources.base import LabelledLinesSpec, Lines, PathSpec, Range, Row, SourceSpec
from components.ingest.sources.files.placeholders import every
from components.ingest.sources.registry import source_of
from components.ingest.spec import DataSpec
from components.ingest.values import literal_list, nested

_ROWS = 1_000
"""Maximum number of rows to read."""


def lists_of_labels(data: DataSpec, folder: Path) -> str:
    """Return the place of the first row with several labels, or an empty text.

    The labels are lists if a value of the first rows is a list of several values, or if all texts are JSON or Python
    lists, one of them with several values. Only local files of built-in kinds are read, and only if the configuration
    sets neither the kind of the label nor the rows of a line with several labels.

    Args:
        data: Configuration of the columns.
        folder: Folder of a relative path.

    Returns:
        File and line, such as `rows.jsonl:2`. Empty also if the file cannot be read, which a later check reports.
    """
    source = data.source.relative_to(folder)
    if data.shape != "labelled" or "label_kind" in data.model_fields_set or not _is_local(source):
        return ""
    lines = isinstance(source, LabelledLinesSpec)
    if lines and ("several" in source.model_fields_set or data.label not in ("label", "labels")):
        return ""
    name = "labels" if lines else str(data.label)
    file, several = "", 0
    try:
        file = _first_file(source)
        for line, row in itertools.islice(_rows(source, file, data), _ROWS):
            value = None if isinstance(row, RowError) else nested(row, name)[1]
            if isinstance(value, list):
                if len(_distinct(value)) > 1:
                    return f"{file}:{line}"
            elif isinstance(value, str) and value and value not in data.missing:
                values = literal_list(value)
                if values is None:
                    return ""
                several = several or (line if len(_distinct(values)) > 1 else 0)
    except (IngestError, OSError):
        return ""
    return f"{file}:{several}" if several else ""


def _is_local(source: SourceSpec) -> bool:
    return isinstance(source, PathSpec) and not is_path(source.kind) and not any(map(is_remote, source.paths.values()))


def _first_file(source: SourceSpec) -> str:
    """Return the first file of the source, of any span or of the train split.

    The listing of a run is not used, because its file systems need TensorFlow, which takes seconds to load.

    Raises:
        FileNotFoundError: No file matches.
    """
    path = every(str(source.paths.get("train", source.path)))
    found = sorted(glob.glob(f"{path}/**" if Path(path).is_dir() else path, recursive=True))
    takes = source_of(source).takes
    for file in found:
        if Path(file).is_file() and (file == path or takes(file)):
            return file
    raise FileNotFoundError(path)


def _rows(source: SourceSpec, file: str, data: DataSpec) -> Iterator[tuple[int, Row | RowError]]:
    return source_of(source).read(Range(file), columns_read(data), Lines())


def _distinct(values: list[Any]) -> set[str]:
    return {str(value) for value in values if value not in (None, "")}
