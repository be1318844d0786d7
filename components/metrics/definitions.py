"""Definitions of a metric and of a sum.

Every metric is a function of sums over labels. A metric over any slice is therefore exact, and independent of the
batches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

Kind = Literal["label", "several", "class", "number"]
"""`label`: label that is a class, with bands. `several`: labels of rows that may have several, with bands. `class`:
further target that is a class. `number`: label or target."""
CLASS_NEEDS = ("label", "known", "nll", "rank")
SEVERAL_NEEDS = (*CLASS_NEEDS, "size", "known_size", "first", "inverse", "ideal")
NUMBER_NEEDS = ("answer", "number", "mean")
MODEL_NEEDS = ("confidence", "correct")
"""Values of the label that only the `eval` signature of a model computes."""
Totals = Mapping[str, float]
Values = Mapping[str, float]
_LAST = 100


@dataclass(frozen=True)
class Sum:
    """Quantity of each label, summed over rows, slices and splits.

    Both functions take the same arrays, one argument for each name in `needs`. They return an array (n,) of numbers or
    booleans. `tests/components/metrics/test_sums.py` tests that they agree.

    Attributes:
        name: Name of the output of the `eval` signature, such as `hit_10`.
        needs: Names of the functions' arguments. For classes: `label`, (n,) int ids, -1 outside the vocabulary;
            `known`, (n,) bool, True for a label in the vocabulary; `nll`, (n,) nats; `rank`, (n,) int, 1 for the most
            probable class. `nll` and `rank` are defined only for known labels. For rows with several labels, the values
            of `components.layers.losses.several_values`. Only in the `eval` signature of a model: `confidence`, (n,)
            probability of the most probable class, and `correct`, (n,) bool, True if this class is the label. For
            numbers, all float64 and in the column's units: `answer`, (n,) predictions of the model; `number`, (n,) true
            values; `mean`, scalar mean of the train split.
        tensorflow: Implementation for the model, in validations during training and in the `eval` signature.
        numpy: Implementation for the baselines.
        squared: True for a sum of squares. Its root is stored beside an Example, because float32 ends at 3e38.
    """

    name: str
    needs: tuple[str, ...]
    tensorflow: Callable[..., Any]
    numpy: Callable[..., Any]
    squared: bool = False

    @property
    def of_numbers(self) -> bool:
        """True for a sum over numbers, False for a sum over classes."""
        return bool(set(self.needs) & set(NUMBER_NEEDS))

    @property
    def of_model(self) -> bool:
        """True for a sum that only a model has, and only over all labels: neither baselines nor bands have it."""
        return bool(set(self.needs) & set(MODEL_NEEDS))


@dataclass(frozen=True, kw_only=True)
class Places:
    """Position of a metric in each place that shows metrics. A metric with position 0 is not shown there.

    Attributes:
        tile: Large figures at the top of the report.
        column: Tables of the report that compare models.
        brief: Slices and bands of the report, and lines of nodes on the terminal. The first metric orders the
            baselines.
        terminal: Table at the end of a run.
        validation: Metrics of a validation during training, for `training.json` and TensorBoard.
        history: Table of validations in the report. A metric here also needs a place in `validation`.
        curve: Charts of the report, and progress line of the training.
        trainer: Line of the Trainer on the terminal.
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
"""Default places of a metric: the end of every table."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """Description of a metric for people.

    Attributes:
        name: Key in `summary.json` and `training.json`, such as `recall_at_10`.
        label: Display name, such as `recall@10`.
        plain: Display name in plain text, which has no unit below the name. Empty: the same as `label`.
        kinds: Kinds of label and target that have the metric.
        unit: Unit: nats, share from 0 to 1, the column's own units, classes, or count.
        per: Unit in words. `{whose}` is a placeholder for the owner of the units.
        better: Direction of improvement; None if neither direction is better.
        over: Denominator: all labels that have a value (`count`), or labels in the vocabulary (`known`). With several
            labels per row, all rows, or the rows that have a label in the vocabulary.
        form: Format of a value; see `components.messages.formatting`.
        about: Description of the metric, in one sentence.
        places: Places that show the metric.
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
        """Display name in plain text."""
        return self.plain or self.label

    @property
    def denominator(self) -> str:
        """Denominator in words."""
        if self.kinds[0] == "several":
            return "rows" if self.over == "count" else "rows with a label in the vocabulary"
        return "labels" if self.over == "count" else "labels in the vocabulary"

    def unit_of(self, whose: str) -> str:
        """Return the unit in words for an owner of the units, such as `the label's`."""
        return self.per.replace("{whose}", whose)


@dataclass(frozen=True, kw_only=True)
class Metric(Column):
    """Row of the table of metrics.

    Attributes:
        sums: Names of the sums from which the metric is computed. A user's own sum is a `Sum`.
        formula: Function from the totals of these sums, by name, to the metric. It returns NaN if the denominator is 0.
        objective: Kind of the allowed increase over the last blessed model (`evaluation.max_<name>_increase`). Only the
            metric that decides a training and a blessing has one. Lower is better.
        compare: Function from the metrics of the model and of a baseline, by name, to a figure. The model is at least
            as good if the figure is at least 0 (higher is better) or at most 1 (lower is better). None: the model need
            not beat a baseline in this metric.
        in_bands: False if the metric has no meaning over some of the labels of a row, such as those of one band.
    """

    sums: tuple[str | Sum, ...]
    formula: Callable[[Totals], float]
    objective: Literal["absolute", "relative"] | None = None
    compare: Callable[[Values, Values], float] | None = None
    in_bands: bool = True

    @property
    def column(self) -> Column:
        """Description of the metric, without its sums and functions."""
        return Column(**{field.name: getattr(self, field.name) for field in fields(Column)})

    def over_baseline(self, baseline: str) -> str:
        """Return the name of the comparison with a baseline, such as `recall_at_10_over_bigram`."""
        return f"{self.name}_over_{baseline}"
