"""Markdown tables that also read well in a terminal."""

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


def milliseconds(value: float) -> str:
    """Format a value with about three significant digits: 0.231, 1.73, 17.3, 1,706."""
    digits = 3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f}"


def times(ratio: float) -> str:
    """Format a ratio, such as `23.1x`."""
    return f"{ratio:.1f}x" if ratio >= 1 else f"{ratio:.2f}x"


def mebibytes(count: float) -> str:
    return f"{count / 2**20:,.0f}"
