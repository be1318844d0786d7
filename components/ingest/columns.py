"""Finds columns that the configuration names and the files do not have, before any row is read."""

from __future__ import annotations

import pyarrow.parquet as pq

from components.files import open_bytes
from components.ingest.errors import IngestError, nearest
from components.ingest.readers import SOTU_COLUMNS, csv_header
from components.ingest.rows import columns_read
from components.ingest.spec import DataSpec


def check_columns(data: DataSpec, files: list[str]) -> None:
    """Compares the configuration with the columns of the files, where these say what columns they have.

    JSON Lines and TFRecord have columns by row; they are checked while they are read.

    Args:
        data: the configuration.
        files: the source's files.

    Raises:
        IngestError: all missing columns, each with its file and the nearest column there is.
    """
    match data.source.kind:
        case "sotu":
            known = {"the default corpus": list(SOTU_COLUMNS)}
        case "text":
            known = {"a source of kind 'text'": [data.inputs[0], "file"]}
        case "csv":
            known = {file: _csv_columns(file) for file in files}
        case "parquet":
            known = {file: _parquet_columns(file) for file in files}
        case _:
            return
    faults = [
        f"{file}: no column '{name}'{nearest(name, columns)}"
        for file, columns in known.items()
        for name in columns_read(data)
        if name not in columns
    ]
    faults += [f"{file}: a column stands twice in the header" for file, c in known.items() if len(set(c)) < len(c)]
    if faults:
        more = f"\n... and {len(faults) - 20} more" if len(faults) > 20 else ""
        raise IngestError("\n".join(faults[:20]) + more)


def _csv_columns(file: str) -> list[str]:
    try:
        header = csv_header(file)
    except UnicodeDecodeError as error:
        raise IngestError(f"{file}:1: the header is not UTF-8 text") from error
    if not header:
        raise IngestError(f"{file}:1: there is no header")
    return header


def _parquet_columns(file: str) -> list[str]:
    try:
        with open_bytes(file) as stream:
            return pq.ParquetFile(stream).schema_arrow.names
    except Exception as error:  # pyarrow's errors share no base below Exception
        raise IngestError(f"{file}: cannot be read as Parquet: {error}") from error
