"""Metrics of the label and of the further targets in a summary, named as in the table of metrics."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from components.metrics.definitions import Kind
from components.metrics.table import BY_NAME, objective, of_kind


class SummarySection(BaseModel):
    """Section of a summary. Numbers must be finite; unknown fields are rejected."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    left_out: ClassVar[tuple[str, ...]] = ()
    """Fields that are not written if empty, since most runs do not have them."""

    @model_serializer(mode="wrap")
    def _without_what_says_nothing(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value or name not in self.left_out}


class Measured(SummarySection):
    """Metrics over a set of labels. A metric without anything to measure is None.

    The fields are the metrics of the table for `kinds`, and a user's own metrics, which the summary describes in
    `own_metrics`. The objective of the last kind, and `mark`, are required. Other metrics are None if an earlier
    version wrote the summary without them.
    """

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, int | float | None]  # pyright: ignore[reportIncompatibleVariableOverride]
    kinds: ClassVar[tuple[Kind, ...]]
    mark: ClassVar[str] = ""
    """Metric that only these kinds have, if other kinds have the same objective."""

    @model_validator(mode="before")
    @classmethod
    def _of_its_kinds(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        mine = names_of(cls.kinds)
        if foreign := [name for name in values if name in BY_NAME and name not in mine]:
            raise ValueError(f"not of this kind: {', '.join(foreign)}")
        if missing := [name for name in (objective(cls.kinds[-1]).name, cls.mark) if name and name not in values]:
            raise ValueError(f"{missing[0]} is missing")
        found = {name: values.get(name) for name in mine} | dict(values)
        return {name: _whole(value) if _is_count(name) else value for name, value in found.items()}


class Metrics(Measured):
    """Metrics of a class label, over the test split and with the full softmax."""

    kinds = ("label",)


class NumberMetrics(Metrics):
    """Metrics of a label that is a number, in the label's units. The metrics of classes are None."""

    kinds = ("label", "number")


class SeveralMetrics(Metrics):
    """Metrics of rows that may have several labels. Other metrics of a class label are None."""

    kinds = ("label", "several")
    mark = "precision_at_1"


class ClassTarget(Measured):
    """Metrics of a further target that is a category, over the labels whose row has a value of the target."""

    kinds = ("class",)


class NumberTarget(Measured):
    """Metrics of a further target that is a number, in the units of the column."""

    kinds = ("number",)


class ReliabilityBin(SummarySection):
    """Predictions whose most probable class has a probability from `low` to below `high`."""

    low: float
    high: float
    count: int = Field(ge=0)
    """Number of predictions."""
    confidence: float | None
    """Mean probability of the most probable class. None: no prediction."""
    share_correct: float | None
    """Share of the predictions whose most probable class is the label, or one of the labels. None: no prediction."""


class Calibration(SummarySection):
    """Metrics of the labels of the eval split that the calibration of the label read."""

    nll: float | None
    ece: float | None
    ece_confident: float | None
    """ECE over the predictions with a probability of at least 0.1."""
    reliability: list[ReliabilityBin]


class LabelCalibration(SummarySection):
    """Calibration of a label that is a class, and its effect on the labels that it was fitted on."""

    temperature: float | None = None
    """Number that divides the logits of the softmax. Above 1: the model was too sure. None with the loss `sigmoid`."""
    scale: float | None = None
    """With the loss `sigmoid`: factor of the logits. Below 1: the model was too sure."""
    shift: float | None = None
    """With the loss `sigmoid`: number that is added to the scaled logits."""
    threshold: float | None = None
    """Probability from which a class counts as one of several labels."""
    before: Calibration
    """Metrics before the calibration."""
    after: Calibration
    """Metrics of the exported model."""


class ClassTable(SummarySection):
    """Class vectors of the exported model as int8 numbers, and their loss on labels of the eval split."""

    bytes: int = Field(ge=0)
    """Size of the class vectors."""
    float_bytes: int = Field(ge=0)
    """Size of the same vectors in float32."""
    nll: tuple[float | None, float | None]
    """nll with float32 and with int8 vectors, in nats."""
    recall_at_10: tuple[float | None, float | None]
    """recall@10 with float32 and with int8 vectors."""


class Approximate(SummarySection):
    """Approximate search for the labels of `serving_default`, measured on rows of the eval split."""

    left_out = ("exact",)

    exact: str | None = None
    """Reason for exact answers in place of approximate ones. The other values may then be None."""
    clusters: int | None = None
    """Number of clusters of classes."""
    probes: int | None = None
    """Number of clusters that a search reads."""
    read: float | None = None
    """Mean share of the classes in these clusters."""
    recall_at_10: float | None = None
    """Mean share of the 10 most probable labels that a search finds."""
    recall_at_10_bound: float | None = None
    """Lower bound of `recall_at_10`, of a one-sided interval of 95%."""
    k: int | None = None
    """Number of labels in an answer."""
    recall_at_k: float | None = None
    """Mean share of the k most probable labels that a search finds."""
    rows: int | None = None
    """Number of rows of the measurement."""
    probability_error: float | None = None
    """Median of the relative error of the probabilities of a row."""
    probability_error_99: float | None = None
    """99% quantile of the relative error of the probabilities of a row."""


class Margin(SummarySection):
    """Margin of the model over the best baseline in a metric, with its confidence interval."""

    metric: str
    baseline: str
    """The best baseline in the metric."""
    measure: Literal["difference", "ratio"]
    """`difference`: the model's metric minus the baseline's. `ratio`: the model's metric over the baseline's."""
    value: float | None
    low: float | None
    """Lower end of the interval. None: no interval, because of fewer than two rows or a resample without a value."""
    high: float | None
    level: float
    """Level of the interval, such as 0.95."""
    rows: int
    """Rows, or groups of rows, that the bootstrap draws from."""
    resamples: int

    @property
    def equal(self) -> bool:
        """True if the model and the baseline are equal within the interval."""
        equal = 0.0 if self.measure == "difference" else 1.0
        return self.low is not None and self.high is not None and self.low <= equal <= self.high


LabelMetrics = Metrics | NumberMetrics | SeveralMetrics
ClassMetrics = Metrics | SeveralMetrics
Targets = dict[str, ClassTarget | NumberTarget]
TargetBaselines = dict[str, dict[str, ClassTarget | NumberTarget]]


def names_of(kinds: Iterable[Kind]) -> list[str]:
    """Return the names of the metrics of all given kinds, without duplicates."""
    return list(dict.fromkeys(metric.name for kind in kinds for metric in of_kind(kind)))


def _is_count(name: str) -> bool:
    return name in BY_NAME and BY_NAME[name].unit == "count"


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """Replace NaN and infinity by None, since JSON has neither."""
    return {name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in values.items()}
