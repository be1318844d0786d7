"""Section `tuning` of the summary: the trials of a search."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from components.messages.formatting import setting, short_names
from components.report.sections.measures import SummarySection


class TunedTrial(SummarySection):
    """Trial of a search."""

    number: int = Field(ge=0)
    """Number of the trial. The first has the values of the configuration, if they are within the ranges."""
    values: dict[str, Any]
    """Values by dotted key."""
    state: Literal["complete", "pruned", "running"]
    """`pruned` if the trial was stopped early; `running` if the time was over before it ended."""
    score: float | None = None
    """Logarithm of perplexity / recall@10 of the best validation, or the rmse of a number. Lower is better."""
    best: dict[str, float] | None = None
    """The best validation, on the eval split."""
    seconds: float = Field(ge=0)
    """Time of the trial."""
    cause: str = ""
    """Reason why the trial was stopped."""

    def shown(self, key: str) -> str:
        """Return the value of a key for people."""
        return setting(self.values.get(key))


class Tuning(SummarySection):
    """Search for values of trainer keys."""

    best: int = Field(ge=0)
    """Number of the best trial, whose values the Trainer took."""
    space: dict[str, dict[str, Any]]
    """Ranges by dotted key."""
    trials: list[TunedTrial]
    """All trials."""
    pinned: str = ""
    """YAML that sets the values of the best trial."""

    @property
    def names(self) -> dict[str, str]:
        """Short names of the keys, by dotted key."""
        return short_names(self.space)

    @property
    def ranked(self) -> list[TunedTrial]:
        """The trials, the best first, then those that were stopped."""
        return sorted(self.trials, key=lambda trial: (trial.score is None, trial.score or 0.0, trial.number))
