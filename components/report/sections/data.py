"""Sections of the summary about the data: splits, vocabularies, spans and unused rows."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from components.report.sections.measures import SummarySection


class Split(SummarySection):
    """Numbers of rows and labels of one split."""

    rows: int = Field(ge=0)
    examples: int | None = Field(None, ge=0)
    """Labels to predict: one for every token after the first of a sequence, or one per row. None: not counted."""


class Token(SummarySection):
    """Entry of a vocabulary, and its frequency."""

    token: str
    count: int = Field(ge=0)
    """Occurrences in the train split, or in the split of the list."""


class Outside(SummarySection):
    """Labels of a split that are outside the vocabulary: a model never predicts them."""

    labels: int = Field(ge=0)
    """Number of labels of the split."""
    outside: int = Field(ge=0)
    """Number of labels outside the vocabulary."""
    most_frequent: list[Token] = []
    """The most frequent labels outside the vocabulary."""


class Covered(SummarySection):
    """Part of the occurrences of all entries that the most frequent ones cover, in the train split."""

    entries: int = Field(ge=1)
    share: float


class Vocabulary(SummarySection):
    """Size of a vocabulary, its most frequent entries, and its gaps."""

    left_out = ("outside", "coverage")

    size: int = Field(ge=0)
    out_of_vocabulary_rate: float | None = Field(None, ge=0, le=1)
    """Share of out-of-vocabulary tokens (`inputs`) or labels (`labels`) in the test split."""
    top: list[Token] = []
    """The most frequent entries."""
    coverage: list[Covered] = []
    """Coverage by the most frequent entries, from one to all of them. Empty: an earlier version wrote the summary."""
    outside: dict[Literal["train", "eval", "test"], Outside] = {}
    """`labels` only: labels outside the vocabulary by split."""


class Drift(SummarySection):
    """Distance between the distributions of one column in two spans."""

    value: float = Field(ge=0)
    """0 for equal distributions."""
    measure: Literal["l_infinity", "jensen_shannon"]
    """For tokens and categories, the greatest difference in the share of a value. For numbers, the Jensen-Shannon
    divergence."""


class Span(SummarySection):
    """Rows that were ingested together, such as those of a day."""

    span: int
    name: str
    """Display name, such as `1940s`."""
    rows: dict[Literal["train", "eval", "test"], int]
    out_of_vocabulary_rate: dict[Literal["inputs", "labels"], float | None] = {}
    """Share of out-of-vocabulary tokens and labels in the span's test split."""
    drift: dict[str, Drift] = {}
    """Distance of this span's train split from the newest span's, by column. Empty for the newest span."""


class UnusedFile(SummarySection):
    """File with rows that were not used."""

    file: str
    rows: int
    """Rows that were used."""
    bad: int
    short: int


class BadRow(SummarySection):
    """Row that cannot be used."""

    file: str
    line: int
    kind: str
    reason: str


class UnusedRows(SummarySection):
    """Rows of the source that were not used."""

    bad: dict[str, int]
    """Rows that cannot be used, by kind of fault, the most frequent first."""
    short: int
    """Rows with too few tokens for an example, or without a value that the configuration requires."""
    files: list[UnusedFile]
    """Files with the most of them."""
    examples: list[BadRow]
    """First bad rows of each kind."""
    odd: list[str]
    """Columns whose values look like the numbers or lists of another program, in words."""
