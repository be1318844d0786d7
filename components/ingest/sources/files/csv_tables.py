"""Tables from runs of well-formed records of delimited text, by Arrow's reader."""

from __future__ import annotations

from collections.abc import Sequence

from components.ingest.sources.files.csv_records import Dialect, Run
from components.ingest.sources.files.table import Table

_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}".encode()


def table_of(run: Run, dialect: Dialect, names: Sequence[str], used: Sequence[str], first: int) -> Table | None:
    """Return a run of records as a table, or None if its records must be read one by one.

    The cells of the table are those that `csv_records.rows_of` gives. Arrow reads other line ends, blank lines,
    comments and escape characters otherwise, and says of a faulty row only that there is one. Such runs have no table.
    Neither has a run with a record of several lines, or with text that is not UTF-8.

    Args:
        run: The run.
        dialect: Dialect of the file.
        names: Names of all columns.
        used: Names of the columns to read.
        first: Number of the first line.
    """
    text = run.text
    if (
        run.fault
        or len(dialect.delimiter_bytes) != 1
        or dialect.comment
        or dialect.escape
        or text.startswith((b"\n", b"\r"))
        or b"\n\n" in text
        or b"\n\r" in text
        or _MARK in text
        or (b"\r" in text and text.count(b"\r") != text.count(b"\r\n"))
    ):
        return None
    import pyarrow as pa
    from pyarrow import csv

    # Also the columns that are not used: as row by row, the whole row is bad.
    try:
        text.decode()
    except UnicodeDecodeError:
        return None
    quoted = '"' if run.quoted else False
    # Numbers in place of names: two columns may have the same name. Of these, a row has the last one.
    places = {name: str(place) for place, name in enumerate(names) if name in used}
    if not places:
        return None
    try:
        read = csv.read_csv(
            pa.py_buffer(text),
            csv.ReadOptions(
                use_threads=False, block_size=len(text) + 1, column_names=[str(place) for place in range(len(names))]
            ),
            csv.ParseOptions(
                delimiter=dialect.delimiter, quote_char=quoted, double_quote=run.quoted, newlines_in_values=run.quoted
            ),
            csv.ConvertOptions(
                check_utf8=False,
                column_types=dict.fromkeys(places.values(), pa.string()),
                strings_can_be_null=False,
                include_columns=[*places.values()],
            ),
        )
    except pa.ArrowInvalid:
        return None
    if read.num_rows != text.count(b"\n"):
        return None
    columns = {name: _chunk(read.column(place)) for name, place in places.items()}
    if any(_repeats(columns[name], name) for name in columns):
        return None
    return Table(columns, first, read.num_rows)


def _chunk(column: object) -> object:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)  # type: ignore[attr-defined]


def _repeats(column: object, name: str) -> bool:
    """Return True if a cell has the name of its column: the row may repeat the header."""
    import pyarrow.compute as pc

    return bool(pc.any(pc.equal(column, name)).as_py())
