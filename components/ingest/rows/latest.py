"""Reader that finds the latest time in a range, for the first pass of a split by time."""

from __future__ import annotations

import contextlib

from components.ingest.errors import BrokenFile, RowError
from components.ingest.rows.columns import columns_read
from components.ingest.rows.times import Latest
from components.ingest.sources.files.ranges import Lines, Range
from components.ingest.sources.registry import source_of
from components.ingest.spec import DataSpec


class LatestReader:
    """Reader of the latest time in a range of a file.

    All rows count, including those that `data.share` leaves out, so that a quick look has the same boundaries.

    Args:
        data: Configuration with `data.splits.by_time`.
    """

    def __init__(self, data: DataSpec) -> None:
        self._data = data

    def __call__(self, file_range: Range) -> Latest:
        """Return the latest time of a range."""
        data, latest = self._data, Latest()
        rows = source_of(data.source).read(file_range, columns_read(data), Lines())
        with contextlib.suppress(BrokenFile):  # The second pass reports the fault, together with those of other files.
            for line, row in rows:
                if not isinstance(row, RowError):
                    latest.add(row, str(data.splits.by_time), data.splits_positions, file_range.path, line)
        return latest
