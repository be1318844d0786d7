"""Markdown tables that also read well in a terminal.

They are copied into documents. `rich.box.MARKDOWN` writes no alignment of columns, and rich wraps cells at the width of
the terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]], figures: bool = True) -> Iterator[str]:
    """Yield the lines of a table. The first column is left-aligned; the others are right-aligned if they hold figures.

    Raises:
        ValueError: A row and the header differ in length.
    """
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"a row has {len(row)} cells and the header {len(header)}: {row}")
    widths = [max(3, *(len(line[i]) for line in (header, *rows))) for i in range(len(header))]
    right = [figures and i > 0 for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, right, strict=True))
        return f"| {' | '.join(padded)} |"

    yield line(header)
    yield line(["-" * (w - 1) + ":" if r else "-" * w for w, r in zip(widths, right, strict=True)])
    yield from map(line, rows)
