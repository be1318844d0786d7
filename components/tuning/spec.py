"""Configuration of the search for values of trainer keys."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, PositiveInt, model_validator

from components.spec import Duration, Spec


class RangeSpec(Spec):
    """Values of a key that a search tries: the numbers from `low` to `high`, or a list of choices."""

    low: int | float | None = None
    """Least value. If `low` and `high` are integers, so are all values."""
    high: int | float | None = None
    """Greatest value."""
    log: bool = False
    """Draw the logarithm evenly: for keys whose order of magnitude matters, such as `learning_rate`."""
    choices: list[Any] | None = Field(default=None, min_length=2)
    """Values to choose from, instead of `low` and `high`."""

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if self.choices is not None:
            if self.low is not None or self.high is not None or self.log:
                raise ValueError("'choices' takes neither 'low', 'high' nor 'log': remove them, or remove 'choices'")
        elif self.low is None or self.high is None:
            raise ValueError("set both 'low' and 'high', or 'choices'")
        elif self.low >= self.high:
            raise ValueError(f"'low' must be below 'high', and {self.low} is not below {self.high}")
        elif self.log and self.low <= 0:
            raise ValueError(f"'log' needs positive values, and 'low' is {self.low}")
        return self

    @property
    def ends(self) -> list[Any]:
        """The choices, or the least and the greatest value. If all of them are valid, so is every value between."""
        return list(self.choices) if self.choices is not None else [self.low, self.high]


class TunerSpec(Spec):
    """Search for values of trainer keys. The node Tuner trains with many values, and the Trainer takes the best."""

    time: Duration = "1h"
    """Time for all trials together. When it is over, the running trial stops. At least the first trial, with the
    values of the configuration, runs to its end. With several pods, each has this time."""
    trials: PositiveInt | None = None
    """Maximum number of trials. None: only `time` limits the search."""
    space: dict[str, RangeSpec] = {}
    """Values to try, by dotted key below `trainer`, such as `trainer.learning_rate: {low: 1e-3, high: 1e-2, log:
    true}`. Empty: the learning rate, and those of `embedding`, `hidden` and the dropout rates that the encoder has."""
    prune: bool = True
    """Stop a trial whose validation is worse than the median of the earlier trials at the same step."""
