"""Check before any row is read that the files can be opened and have the required columns."""

from __future__ import annotations

from collections import Counter

from components.ingest.errors import BrokenFile, IngestError, nearest
from components.ingest.rows.columns import columns_read
from components.ingest.sources.registry import source_of
from components.ingest.spec import DataSpec


def check_columns(data: DataSpec, files: list[str]) -> None:
    """Check that the files have the columns of the configuration.

    If each row has its own columns, as in JSON Lines, the reader of the rows checks the columns.

    Args:
        data: Data specification.
        files: Files of the source.

    Raises:
        IngestError: A file is not of the configured kind, or is damaged at its start; a column is missing, or a used
            column occurs twice. The message lists all faults, each with its file and the nearest column.
    """
    source = source_of(data.source)
    wanted = columns_read(data)
    faults: list[str] = []
    for file in files:
        try:
            columns = source.all_columns(file, wanted)
        except BrokenFile as error:
            faults.append(str(error))
            continue
        if columns is None:
            continue
        where = source.label(file)
        named = [column for column in columns if column]
        if not set(wanted) & set(named) and (advice := source.advice(file, wanted)):
            faults.append(f"{where}: {advice}")
            continue
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
