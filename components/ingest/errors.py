"""Faults of the user's data, told without a trace."""

from __future__ import annotations

from collections.abc import Iterable

from components.spelling import did_you_mean


class IngestError(ValueError):
    """The data cannot be ingested: the message names the file, the column and the nearest right spelling."""


class BrokenFile(IngestError):
    """A file of the source that cannot be read to its end: the message names the file, the place and what to do."""


class RowError(ValueError):
    """One row cannot be used.

    Attributes:
        kind: what is wrong, the same words for all rows with this fault; bad rows are counted by it.
        reason: what is wrong with this row.
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(f"{kind}: {reason}")
        self.kind = kind
        self.reason = reason

    def __reduce__(self) -> tuple[type[RowError], tuple[str, str]]:
        return RowError, (self.kind, self.reason)


class ShortRow(ValueError):
    """A row without enough tokens for one example: no fault of the data, the row is left out."""


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the nearest known name, then the known names; empty without any."""
    known = sorted(known)
    if not known:
        return ""
    shown = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
    return f"{did_you_mean(name, known)} (there are: {shown})"
