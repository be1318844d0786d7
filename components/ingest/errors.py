"""Errors for faults of the user's data. The user sees the message, not a traceback."""

from __future__ import annotations

from collections.abc import Iterable

from components.messages.spelling import did_you_mean


class IngestError(ValueError):
    """Fault of the data. The message names the file, the column and the nearest correct spelling."""


class BrokenFile(IngestError):
    """Fault of a file that cannot be read to its end. The message names the file, the place and the remedy."""


class RowError(ValueError):
    """Fault of a row that cannot be used.

    Attributes:
        kind: Name of the fault. Bad rows are counted by this name.
        reason: Description of the fault in this row.
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(f"{kind}: {reason}")
        self.kind = kind
        self.reason = reason

    def __reduce__(self) -> tuple[type[RowError], tuple[str, str]]:
        return RowError, (self.kind, self.reason)


class ShortRow(ValueError):
    """Row with too few tokens for an example, or without labels. The row is skipped: this is no fault of the data."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the nearest known name, and the known names. Empty if no name is known."""
    known = sorted(known)
    if not known:
        return ""
    shown = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
    return f"{did_you_mean(name, known)} (there are: {shown})"
