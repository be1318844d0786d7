"""Result of a comparison, as `bigvocab compare --json` writes it. New versions add keys, and never remove any."""

from __future__ import annotations

from typing import Any, Literal

from components.metrics.definitions import Column
from components.report.sections.measures import ClassTarget, LabelMetrics, Margin, NumberTarget, SummarySection

FORMAT = 1


class Model(SummarySection):
    """Run or version that was compared."""

    name: str
    version: str | None
    """Folder of the pushed version; None if only the figures of a summary were compared."""
    root: str | None
    unusable: int = 0
    """Rows that the model could not read."""


class Setting(SummarySection):
    """Key of the configuration whose value differs."""

    key: str
    """Dotted key, such as `trainer.model.hidden`."""
    values: list[Any]
    """Value of each model; None also if the model has no such key."""


class Group(SummarySection):
    """Labels or rows over which the models are compared."""

    kind: Literal["all", "known", "weighted", "band", "slice", "target"]
    """`all`: all labels. `known`: the rows whose labels all models know. `weighted`: all labels by their weights.
    `band`: labels of a band of frequency. `slice`: rows with one value of a column. `target`: a further target."""
    column: str = ""
    """Column of a slice, of the weights or of a further target; empty otherwise."""
    value: str | float = ""
    """Name of a band, or value of a slice; empty otherwise."""
    rows: int | None
    """Rows, or groups of rows, that the bootstrap draws from. None: no row was read, only summaries."""
    models: list[LabelMetrics | ClassTarget | NumberTarget]
    """Metrics of each model."""
    margins: list[list[Margin]]
    """For each model after the first: its margin over the first model in each metric. `baseline` names the first
    model."""


class Answer(SummarySection):
    """Answer of a model to one row."""

    labels: list[tuple[str, float]] = []
    """The most probable labels with their probabilities; empty if the label is a number."""
    value: float | None = None
    """The number; None if the label is a class."""
    rank: int | None = None
    """Rank of the best of the true labels among `labels`, from 1; None if it is not among them."""


class Case(SummarySection):
    """Row that one model answers right and the other wrong, or with a smaller error."""

    where: str
    """Place of the row."""
    input: str
    """Input and features of the row, shortened."""
    truth: list[str]
    """True labels, or the true number."""
    answers: list[Answer]
    """Answers of the first model and of the other one."""


class Cases(SummarySection):
    """Rows that one of two models answers right and the other wrong."""

    model: str
    """Model that is compared with the first one."""
    first_right: list[Case]
    other_right: list[Case]
    rows_first: int
    """Rows in which the first model has more labels among its ten most probable, or a smaller error."""
    rows_other: int
    """Likewise for the other model."""


class Comparison(SummarySection):
    """Comparison of runs or versions. All other models are compared with the first one."""

    format: int = FORMAT
    rows: str
    """Name of the rows."""
    measured: int | None
    """Rows that all models were measured on. None: the figures are those of the summaries."""
    level: float
    """Level of the intervals, such as 0.95."""
    resamples: int
    models: list[Model]
    settings: list[Setting]
    groups: list[Group]
    """All labels first, then the others."""
    cases: list[Cases]
    notes: list[str]
    """Sentences that a reader of the figures must know."""
    own_metrics: list[Column] = []
    """Descriptions of the user's own metrics."""

    @property
    def names(self) -> list[str]:
        """Names of the models."""
        return [model.name for model in self.models]
