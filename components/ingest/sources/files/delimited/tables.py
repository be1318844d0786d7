"""Tables of runs of well-formed records of delimited text, read by Arrow."""

from __future__ import annotations

from collections.abc import Sequence

from components.ingest.sources.files.delimited.records import Dialect, Run
from components.ingest.sources.files.table import Table

_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}".encode()


def table_of(run: Run, dialect: Dialect, names: Sequence[str], used: Sequence[str], first: int) -> Table | None:
    """Return a run of records as a table, or None if its records must be read one by one.

    The cells of the table are those of `records.rows_of`. Arrow interprets other line ends, blank lines, comments
    and escape characters differently, and does not locate a faulty row. Such runs have no table. Runs with a record of
    several lines, or with text that is not UTF-8, have no table either.

    Args:
        run: Run of records.
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

    # Unused columns are checked too: invalid text makes the whole row bad, as in reading row by row.
    try:
        text.decode()
    except UnicodeDecodeError:
        return None
    quoted = '"' if run.quoted else False
    # Numbers in place of names, because two columns may have the same name. A row then has the last of them.
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
    """Return True if a cell equals the name of its column, because the row may repeat the header."""
    import pyarrow.compute as pc

    return bool(pc.any(pc.equal(column, name)).as_py())
