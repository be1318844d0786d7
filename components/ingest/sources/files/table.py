"""Rows of a source as columns, whose conversion is faster than that of single rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Table:
    """Consecutive rows of a file without faults.

    Attributes:
        columns: (rows,) array of each column, by name. The values are those that the source yields row by row.
        first: Number of the first line (or row).
        rows: Number of rows. Each row has one line.
    """

    columns: Mapping[str, pa.Array]
    first: int
    rows: int

    def with_constants(self, values: Mapping[str, str]) -> Table:
        """Return the table with a constant column for each of the values whose column does not exist yet."""
        import pyarrow as pa

        more = {name: pa.array([value] * self.rows) for name, value in values.items() if name not in self.columns}
        return Table({**self.columns, **more}, self.first, self.rows) if more else self

    def numbered(self, which: Any = None) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield rows with their numbers, as `Source.rows` does.

        Args:
            which: (any,) integer indices of the rows to yield, from 0. None: all rows.
        """
        columns = self.columns.values()
        if which is None:
            which = range(self.rows)
        else:
            columns = [column.take(_indices(which)) for column in columns]
        cells = zip(*(column.to_pylist() for column in columns), strict=True) if self.columns else ((),) * len(which)
        for row, found in zip(which, cells, strict=True):
            yield self.first + int(row), dict(zip(self.columns, found, strict=True))


def _indices(which: Any) -> pa.Array:
    import pyarrow as pa

    return pa.array(which, pa.int64())
