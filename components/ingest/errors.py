"""Faults of the user's data, shown without a trace."""

from __future__ import annotations

from collections.abc import Iterable

from components.spelling import did_you_mean


class IngestError(ValueError):
    """Fault of the data: the message names the file, the column and the nearest right spelling."""


class BrokenFile(IngestError):
    """Fault of a file that cannot be read to its end: the message names the file, the place and the way out."""


class RowError(ValueError):
    """Fault of one row, which cannot be used.

    Attributes:
        kind: Name of the fault, the same for all rows that have it; bad rows are counted by it.
        reason: Description of the fault in this row.
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(f"{kind}: {reason}")
        self.kind = kind
        self.reason = reason

    def __reduce__(self) -> tuple[type[RowError], tuple[str, str]]:
        return RowError, (self.kind, self.reason)


class ShortRow(ValueError):
    """Row without enough tokens for one example. It is not a fault of the data: the row is left out."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the nearest known name, and the known names; nothing if none is known."""
    known = sorted(known)
    if not known:
        return ""
    shown = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
    return f"{did_you_mean(name, known)} (there are: {shown})"
