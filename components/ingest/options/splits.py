"""Configuration of the splits: by hash, by a column, by time, or by position."""

from __future__ import annotations

import re
from typing import Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from components.spec import Spec

SPLITS = ("train", "eval", "test")
"""Names of the splits. If time or position determines the split, the earliest comes first."""
Amount = int | float | str
_SHARES = {"train": 90, "eval": 5, "test": 5}
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_FORMS = ("column", "by_time", "leave_out")


class SplitSpec(Spec):
    """Rule that assigns rows to the splits.

    By default, a hash determines the split of each row, in the shares `train`, `eval` and `test`; see `data.split_by`.
    Each of `column`, `by_time` and `leave_out` selects another rule.
    """

    column: str | None = None
    """Column that names the split of each row: `train`, `eval` (or `validation`, `valid`, `val`, `dev`) or `test`. The
    column does not have to be an input or a feature."""
    by_time: str | None = None
    """Column with the time of each row: a number, such as seconds or milliseconds since 1970, or an ISO date. The rows
    of the last period of length `test` are the test split, and the rows of the period of length `eval` before it are
    the eval split. In shape `sequence`, a list with the time of each token assigns the labels instead of the rows."""
    leave_out: int | None = Field(default=None, ge=1)
    """Shape `sequence` only: the last `leave_out` tokens of each row are labels of the test split, the same number of
    tokens before them are labels of the eval split, and the others are labels of the train split. With `data.baskets`,
    the last `leave_out` baskets."""
    eval_share: float = Field(default=1.0, gt=0, le=1)
    """With `leave_out`: share of the rows, selected by a hash, that have labels in the eval split. The labels of the
    other rows before those of the test split are all in the train split. A small share leaves more recent labels to
    train on."""
    train: int | None = Field(default=None, ge=1)
    """Relative size of the train split, which the model is trained on. The share of a split is its size divided by the
    sum of all three. None: 90."""
    eval: Amount | None = None
    """Relative size of the eval split, which validations during training measure. None: 5. With `by_time`: length of
    the period, such as `7d`, `12h` or `30m`, or a number in the unit of the column."""
    test: Amount | None = None
    """Relative size of the test split, which the final evaluation measures. None: 5. With `by_time`: length of the
    period."""

    @field_validator("eval", "test")
    @classmethod
    def _amount_fits_form(cls, value: Amount | None, info: ValidationInfo) -> Amount | None:
        if value is None:
            return None
        if info.data.get("by_time") is not None:
            duration(value)
        elif not isinstance(value, int) or value < 1:
            raise ValueError("the relative size of a split is a whole number, at least 1")
        return value

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        forms = [name for name in _FORMS if getattr(self, name) is not None]
        given = [name for name in SPLITS if getattr(self, name) is not None]
        if len(forms) > 1:
            raise ValueError(f"{' and '.join(forms)} exclude each other: keep one")
        if self.by_time is not None:
            if self.train is not None:
                raise ValueError("by_time leaves all earlier rows to the train split: remove train")
            if missing := [name for name in ("eval", "test") if name not in given]:
                raise ValueError(f"by_time needs {' and '.join(missing)}: how long the split is, such as 7d")
        elif self.eval_share != 1.0 and self.leave_out is None:
            raise ValueError("eval_share needs leave_out: set leave_out, or remove eval_share")
        elif forms and given:
            raise ValueError(f"{', '.join(given)}: relative sizes of a split by hash: remove them, or {forms[0]}")
        return self

    @property
    def form(self) -> str | None:
        """Key of the rule: `column`, `by_time` or `leave_out`; None if a hash determines the split of a row."""
        return next((name for name in _FORMS if getattr(self, name) is not None), None)

    @property
    def shares(self) -> dict[str, int]:
        """Relative sizes of the splits by hash."""
        given = {} if self.form else {name: getattr(self, name) for name in SPLITS}
        return {name: given.get(name) or share for name, share in _SHARES.items()}

    @property
    def columns(self) -> list[str]:
        """Columns that are read only to find the split of a row."""
        return [name for name in (self.column, self.by_time) if name is not None]


def duration(value: Amount) -> tuple[float, int | None]:
    """Return an amount of time, and the seconds of its unit, or None for the unit of the column.

    Raises:
        ValueError: The text is not a duration, or the amount is not positive.
    """
    if isinstance(value, int | float):
        amount, unit = value, None
    elif found := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhdw]?)\s*", value):
        amount, unit = float(found[1]), _SECONDS.get(found[2])
        amount = int(amount) if amount.is_integer() else amount
    else:
        raise ValueError("not a length of time: write 30m, 12h, 7d or 2w, or a number in the unit of the column")
    if amount <= 0:
        raise ValueError("a length of time is above 0")
    return amount, unit
