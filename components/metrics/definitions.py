"""Definitions of a metric and of a sum.

Every metric is a function of sums over labels. So a metric over any slice of the data is exact, whatever the batches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

Kind = Literal["label", "class", "number"]
"""`label`: a class of the label vocabulary, with bands; `class`: a further target that is one; `number`: either one."""
CLASS_NEEDS = ("label", "known", "nll", "rank")
NUMBER_NEEDS = ("answer", "number", "mean")
Totals = Mapping[str, float]
Values = Mapping[str, float]
_LAST = 100


@dataclass(frozen=True)
class Sum:
    """A quantity of each label, added up over rows, slices and splits.

    Both functions take the same arrays, one argument for each name in `needs`, and return an array (n,) of numbers or
    of true and false. A test holds them together: `tests/components/metrics/test_sums.py`.

    Attributes:
        name: The name of the output of the `eval` signature, such as `hit_10`.
        needs: What the functions take. Of classes: `label`, (n,) int ids, -1 outside the vocabulary; `known`, (n,)
            bool, whether the label is in the vocabulary; `nll`, (n,) nats; `rank`, (n,) int, 1 for the most probable
            class. `nll` and `rank` have a meaning for known labels only. Of numbers, all float64 and in the column's
            units: `answer`, (n,) of the model; `number`, (n,) to be answered; `mean`, a scalar, of the train split.
        tensorflow: The implementation for the model: a validation during training, and the `eval` signature.
        numpy: The implementation for the baselines.
        squared: The sum is of squares. It is stored beside an Example as its root, since float32 ends at 3e38.
    """

    name: str
    needs: tuple[str, ...]
    tensorflow: Callable[..., Any]
    numpy: Callable[..., Any]
    squared: bool = False

    @property
    def of_numbers(self) -> bool:
        """Whether the sum is of numbers, not of classes."""
        return bool(set(self.needs) & set(NUMBER_NEEDS))


@dataclass(frozen=True, kw_only=True)
class Places:
    """The places where a metric is shown, and its position among the metrics there: 0 is not shown.

    Attributes:
        tile: The large figures that the report begins with.
        column: The report's tables that compare models.
        brief: The few metrics of the report's slices and bands, and of the terminal's lines of nodes. The first one
            orders the baselines.
        terminal: The table that a run ends with.
        validation: What a validation during training measures, for `training.json` and TensorBoard.
        history: The report's table of validations. A metric there has a `validation` too.
        curve: The report's charts, and the progress line of the training.
        trainer: The terminal's line of the Trainer.
    """

    tile: int = 0
    column: int = 0
    brief: int = 0
    terminal: int = 0
    validation: int = 0
    history: int = 0
    curve: int = 0
    trainer: int = 0


Place = Literal["tile", "column", "brief", "terminal", "validation", "history", "curve", "trainer"]
TABLES = Places(column=_LAST, terminal=_LAST, validation=_LAST, history=_LAST)
"""The end of every table: the places of a metric that names none."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A metric as people see it.

    Attributes:
        name: The key in `summary.json` and `training.json`, such as `recall_at_10`.
        label: The name for people, such as `recall@10`.
        plain: The name in plain text, where no unit stands below it; the label where empty.
        kinds: The kinds of label and target that have the metric.
        unit: The unit: nats, a share from 0 to 1, the column's own units, classes or a count.
        per: The unit in words; `{whose}` stands for whose units they are.
        better: The direction; None where none is better.
        over: The denominator: all labels that have a value (`count`), or those in the vocabulary (`known`).
        form: How a value is written: a form of `components.formatting`.
        about: One sentence on the metric.
        places: Where it is shown.
    """

    name: str
    label: str
    plain: str = ""
    kinds: tuple[Kind, ...] = ("label",)
    unit: Literal["nats", "share", "units", "classes", "count"] = "share"
    per: str = "share of labels"
    better: Literal["higher", "lower"] | None = "higher"
    over: Literal["count", "known"] = "count"
    form: str = "fraction"
    about: str = ""
    places: Places = TABLES

    @property
    def text(self) -> str:
        """The name in plain text."""
        return self.plain or self.label

    @property
    def denominator(self) -> str:
        """The denominator in words."""
        return "labels" if self.over == "count" else "labels in the vocabulary"

    def unit_of(self, whose: str) -> str:
        """Return the unit in words, of a column that is called such as `the label's`."""
        return self.per.replace("{whose}", whose)


@dataclass(frozen=True, kw_only=True)
class Metric(Column):
    """A row of the table of metrics.

    Attributes:
        sums: The sums that the metric is made of, by name; a user's own as `Sum`.
        formula: The metric from the totals of these sums, by name. It returns NaN where the denominator is 0.
        objective: For the metric that decides a training and a blessing: whether the allowed increase over the last
            blessed model (`evaluation.max_<name>_increase`) is absolute or relative. Lower is better.
        compare: For a metric in which a model must beat a baseline: a figure from the metrics of both, by name, which
            is at least 0 (higher is better) or at most 1 (lower is better) where the model is as good.
    """

    sums: tuple[str | Sum, ...]
    formula: Callable[[Totals], float]
    objective: Literal["absolute", "relative"] | None = None
    compare: Callable[[Values, Values], float] | None = None

    @property
    def column(self) -> Column:
        """The metric without what computes it."""
        return Column(**{field.name: getattr(self, field.name) for field in fields(Column)})

    def over_baseline(self, baseline: str) -> str:
        """Return the name of the comparison with a baseline, such as `recall_at_10_over_bigram`."""
        return f"{self.name}_over_{baseline}"
