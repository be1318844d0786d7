"""Checks of the files before any row is read: can they be read, and do they have the columns that are needed?"""

from __future__ import annotations

from collections import Counter

import pyarrow.parquet as pq

from components.ingest.errors import BrokenFile, IngestError, nearest
from components.ingest.formats import check_text, open_source
from components.ingest.readers import SOTU_COLUMNS, csv_header
from components.ingest.rows import columns_read
from components.ingest.spec import DataSpec


def check_columns(data: DataSpec, files: list[str]) -> None:
    """Compare the configuration with the columns of the files, where these say what columns they have.

    JSON Lines and TFRecord have columns by row; they are checked while they are read.

    Args:
        data: The configuration.
        files: The source's files.

    Raises:
        IngestError: A file is not what the configuration says, or damaged at its start; a column is missing, or a
            column that is used stands twice. All of it at once, each with its file and the nearest column there is.
    """
    wanted = columns_read(data)
    faults: list[str] = []
    for file in files:
        try:
            columns = _columns(file, data)
        except BrokenFile as error:
            faults.append(str(error))
            continue
        if columns is None:
            continue
        where = "the default corpus" if data.source.kind == "sotu" else file
        named = [column for column in columns if column]
        faults += [f"{where}: no column '{name}'{nearest(name, named)}" for name in wanted if name not in columns]
        counted = Counter(columns)
        faults += [
            f"{file}: {counted[name]} columns are named '{name}', and the configuration uses it: rename all but one"
            for name in wanted
            if counted[name] > 1
        ]
    if faults:
        faults = list(dict.fromkeys(faults))
        more = f"\n... and {len(faults) - 20} more" if len(faults) > 20 else ""
        raise IngestError("\n".join(faults[:20]) + more)


def _columns(file: str, data: DataSpec) -> list[str] | None:
    """The columns of a file; None if each row has its own, or if the file is empty."""
    kind = data.source.kind
    if kind == "sotu":
        return list(SOTU_COLUMNS)
    if kind == "parquet":
        return _parquet_columns(file)
    if kind == "tfrecord" or not check_text(file):
        return None
    if kind == "csv":
        return csv_header(file, data.source) or None
    return [data.inputs[0], "file"] if kind == "text" else None


def _parquet_columns(file: str) -> list[str]:
    try:
        with open_source(file, unpack=False) as stream:
            return pq.ParquetFile(stream).schema_arrow.names
    except Exception as error:  # pyarrow's errors share no base below Exception
        raise BrokenFile(f"{file}: cannot be read as Parquet: {error}") from error
