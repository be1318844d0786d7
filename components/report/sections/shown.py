"""Sections of the summary about single rows and labels: predictions, hard labels and neighbors."""

from __future__ import annotations

from typing import Literal

from components.report.sections.measures import SummarySection


class Probable(SummarySection):
    """Predicted label, and its probability."""

    label: str
    probability: float


class Prediction(SummarySection):
    """Predictions of the model for one row of the test split."""

    result: Literal["right", "near", "wrong"]
    """`right`: the label is the most probable class. `near`: it is among the first ten. `wrong`: it is not."""
    input: str
    """Input tokens, separated by spaces. It begins with an ellipsis if more tokens precede."""
    truth: list[str]
    """The label, or the labels of the row."""
    rank: int | None
    """Place of the label from 1. None: the label is not among the predicted ones."""
    answers: list[Probable]
    slices: dict[str, str] = {}
    """Value of each column of the slices."""


class LabelRecall(SummarySection):
    """Recall of one label in a sample of the test split."""

    label: str
    count: int
    recall_at_10: float
    baseline_recall_at_10: float | None = None
    """None: the baselines are not known for each label, as in sequences."""


class Predictions(SummarySection):
    """Predictions for a seeded sample of the test split."""

    rows: int
    """Labels in the sample."""
    results: dict[Literal["right", "near", "wrong"], int]
    """Number of predictions of the whole sample, by result."""
    examples: list[Prediction]
    shown_first: int
    """Number of the first examples, drawn from the whole sample. The others show the values of the slices."""
    least: int
    """Least number of occurrences in the sample of the labels in `hardest` and `most_improved`."""
    hardest: list[LabelRecall] = []
    """Labels with the lowest recall@10."""
    most_improved: list[LabelRecall] = []
    """Labels whose recall@10 is most above the baseline's."""
    baseline: str | None = None
    """The best baseline over the sample."""


class Neighbor(SummarySection):
    """Entry of a vocabulary near another one."""

    token: str
    cosine: float


class Neighborhood(SummarySection):
    """Entry of a vocabulary, and the entries with the nearest vectors."""

    token: str
    nearest: list[Neighbor]
