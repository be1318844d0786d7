"""Check of the files before any row is read: they can be opened, and have the columns that are needed."""

from __future__ import annotations

from collections import Counter

from components.ingest.errors import BrokenFile, IngestError, nearest
from components.ingest.rows.columns import columns_read
from components.ingest.sources.registry import source_of
from components.ingest.spec import DataSpec


def check_columns(data: DataSpec, files: list[str]) -> None:
    """Compare the configuration with the columns of the files, where these say what columns they have.

    Rows that have columns of their own, as in JSON Lines, are checked while they are read.

    Args:
        data: The configuration.
        files: The source's files.

    Raises:
        IngestError: A file is not of the kind that the configuration says, or damaged at its start; a column is
            missing, or a column that is used stands twice. All faults at once, each with its file and the nearest
            column.
    """
    source = source_of(data.source)
    wanted = columns_read(data)
    faults: list[str] = []
    for file in files:
        try:
            columns = source.columns(file, wanted)
        except BrokenFile as error:
            faults.append(str(error))
            continue
        if columns is None:
            continue
        where = source.label(file)
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
