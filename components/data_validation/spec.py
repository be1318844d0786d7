"""The statistics."""

from __future__ import annotations

from pydantic import Field

from components.spec import Spec


class StatisticsSpec(Spec):
    max_rows: int = Field(default=500_000, ge=1)
    """The statistics of a larger split are those of a sample of about so many of its rows."""
