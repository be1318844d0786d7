"""Guess of the dialect of delimited text from the first rows of a file, for error messages and `bigvocab init`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from components.ingest.errors import RowError
from components.ingest.sources.files.delimited import records as csv_records
from components.ingest.sources.files.delimited.records import Dialect

DELIMITERS = {",": "comma", "\t": "tab", ";": "semicolon", "|": "bar", "::": "'::'", ":": "colon", " ": "space"}
"""Delimiters to try, the most common first, each with its name."""
_OFTEN_IN_CELLS = (":", " ")
"""Delimiters to try only if no other delimiter makes a table, because times have colons, and names have spaces."""
_ROWS = 200
# Minimum share of the rows that must have as many cells as the first row.
_REGULAR = 0.9
_NUMBER = re.compile(r"[-+]?[\d.,:/ -]*\d[\d.,:/TZ -]*")


@dataclass(frozen=True)
class Guess:
    """Guess of the dialect of a file.

    Attributes:
        dialect: Dialect that cuts most rows into the same number of cells.
        rows: Cells of the first rows, in this dialect.
        header: True if the first row looks like names of columns.
    """

    dialect: Dialect
    rows: Sequence[Sequence[str]]
    header: bool


def guess(head: bytes, dialect: Dialect) -> Guess | None:
    """Return the dialect that the first rows suggest, or None if no delimiter makes a table.

    Args:
        head: First bytes of a file, as UTF-8 with line feeds.
        dialect: Dialect with the quotes, escapes and comments of the file.
    """
    best: Guess | None = None
    for delimiter in DELIMITERS:
        tried = replace(dialect, delimiter=delimiter)
        rows = first_rows(head, tried)
        width = len(rows[0]) if rows else 0
        regular = sum(len(row) == width for row in rows)
        if width < 2 or regular < _REGULAR * len(rows) or (best and delimiter in _OFTEN_IN_CELLS):
            continue
        if best is None or width > len(best.rows[0]):
            best = Guess(tried, rows, looks_like_names(rows))
    return best


def first_rows(head: bytes, dialect: Dialect) -> list[list[str]]:
    """Return the cells of the first rows of a file, without blank, broken and unfinished rows."""
    whole = head[: head.rfind(b"\n") + 1] or head
    found = (cells for _, cells in csv_records.rows(iter([whole]), dialect))
    rows = [cells for cells in found if cells and not isinstance(cells, RowError)]
    return rows[:_ROWS]


def broken_rows(head: bytes, dialect: Dialect) -> float:
    """Return the share of the first rows of a file that break the grammar, or differ from the first row in width."""
    whole = head[: head.rfind(b"\n") + 1] or head
    rows = [cells for _, cells in csv_records.rows(iter([whole]), dialect) if cells]
    good = [cells for cells in rows if not isinstance(cells, RowError)]
    width = len(good[0]) if good else 0
    return 1 - sum(len(cells) == width for cells in good) / max(len(rows), 1)


def looks_like_names(rows: Sequence[Sequence[str]]) -> bool:
    """Return True if the first row may be a header.

    A header has no number and no name twice. A name may also be a value below it, as `before` in a column of words, if
    another column has only numbers below its name.
    """
    first, *later = rows
    named = [cell for cell in first if cell]
    if len(set(named)) < len(named) or not named or any(_NUMBER.fullmatch(cell) for cell in named):
        return False
    below = [[row[place] for row in later if place < len(row) and row[place]] for place in range(len(first))]
    if any(cell and values and all(map(_NUMBER.fullmatch, values)) for cell, values in zip(first, below, strict=True)):
        return True
    return not any(cell in values for cell, values in zip(first, below, strict=True))
