"""Vocabularies and moments of the features of labels, and the features of labels as arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from components.ingest.rows.tokenize import tokenize
from components.labels.reading import Items
from components.labels.spec import LabelFeatureSpec, LabelsSpec
from components.layers.label_features.table import Bag, FeatureTable
from components.spec import Spec

_BOUND = 10.0
"""Largest distance of a standardized number from the mean, as for the numbers of a row."""

_RANGES = 16
"""Ranges of a number, each with its own vector, because the effect of a number is rarely proportional to it."""
_CONSTANT = 1e-9
"""Largest standard deviation of equal numbers, relative to the largest number."""


class FittedFeature(Spec):
    """Feature of labels with its vocabulary or moments.

    Entries that no label of the training has are left out, because their vectors would not be trained.
    """

    kind: Literal["category", "number", "text"]
    """Type of the column."""
    entries: list[str] = []
    """Values of a category, or words of a text, in the order of their vectors."""
    mean: float = 0.0
    """Mean of a number over the labels."""
    deviation: float = Field(default=1.0, gt=0)
    """Standard deviation of a number over the labels; 1 if all are equal."""

    edges: list[float] = []
    """Bounds between the ranges of a number, ascending. About equally many labels are in each range."""

    @classmethod
    def of(cls, spec: LabelFeatureSpec, cells: Sequence[str]) -> FittedFeature:
        """Fit a feature to the cells of the labels of a training; an empty cell is a missing value."""
        present = [cell for cell in cells if cell]
        if spec.kind == "number":
            numbers = np.array(present or ["0"], np.float64)
            deviation = float(numbers.std())
            # The deviation of equal numbers may be their rounding error.
            constant = deviation <= _CONSTANT * float(np.abs(numbers).max())
            edges = np.unique(np.quantile(numbers, np.linspace(0, 1, _RANGES + 1)[1:-1])).tolist()
            return cls(kind="number", mean=float(numbers.mean()), deviation=1.0 if constant else deviation, edges=edges)
        counted = Counter(entry for cell in present for entry in set(_entries(spec.kind, cell)))
        ranked = sorted(counted, key=lambda entry: (-counted[entry], entry))
        return cls(kind=spec.kind, entries=ranked[: spec.top])

    def numbers(self, cells: Sequence[str]) -> NDArray[np.float32]:
        """Return standardized numbers, (cells,); 0 for an empty cell."""
        values = np.array([(float(cell) - self.mean) / self.deviation if cell else 0.0 for cell in cells])
        return np.clip(values, -_BOUND, _BOUND).astype(np.float32)

    def bag(self, cells: Sequence[str]) -> Bag:
        """Return the entries of each cell that have a vector; for a number, its range."""
        if self.kind == "number":
            ranges = [[int(np.searchsorted(self.edges, float(cell)))] if cell else [] for cell in cells]
            return Bag.of(ranges, len(self.edges) + 1)
        ids = {entry: i for i, entry in enumerate(self.entries)}
        found = [[ids[entry] for entry in _entries(self.kind, cell) if entry in ids] for cell in cells]
        # A table has at least one row.
        return Bag.of(found, max(1, len(ids)))


class FittedFeatures(Spec):
    """Features of labels with their vocabularies and moments, as fitted to the labels of a training."""

    key: str
    """Column with the label."""
    features: dict[str, FittedFeature]
    """Features by column."""

    @classmethod
    def of(cls, spec: LabelsSpec, items: Items, labels: Iterable[str]) -> FittedFeatures:
        """Fit the features to the labels of a training that have a line.

        Args:
            spec: Configuration of the features.
            items: Cells of the file.
            labels: Labels of the training.
        """
        known = [items[label] for label in labels if label in items]
        fitted = {name: FittedFeature.of(of, [item[name] for item in known]) for name, of in spec.features.items()}
        return cls(key=spec.key, features=fitted)

    def table(self, items: Items, labels: Sequence[str], counts: Sequence[int]) -> FeatureTable:
        """Return the features of labels as arrays. A label without a line has none.

        Args:
            items: Cells of the file.
            labels: Labels, by id.
            counts: (labels,) occurrences in the train split.
        """
        cells = {name: [items[label][name] if label in items else "" for label in labels] for name in self.features}
        numbers = [of.numbers(cells[name]) for name, of in self.features.items() if of.kind == "number"]
        return FeatureTable(
            np.asarray(counts, np.int64),
            np.stack(numbers, axis=1) if numbers else np.zeros([len(labels), 0], np.float32),
            {name: of.bag(cells[name]) for name, of in self.features.items()},
        )

    @property
    def vocabularies(self) -> dict[str, list[str]]:
        """Entries of the tables, by feature. The name of a range is its upper bound."""
        ranges = {name: [*map(repr, of.edges), ""] for name, of in self.features.items() if of.kind == "number"}
        return {name: ranges.get(name) or of.entries or [""] for name, of in self.features.items()}


def coverage(items: Items, labels: Iterable[str]) -> Mapping[str, int]:
    """Return the numbers of labels with and without a line, and of lines whose label the training does not know."""
    labels = set(labels)
    found = len(labels & items.keys())
    return {"with_features": found, "without_features": len(labels) - found, "other_lines": len(items) - found}


def _entries(kind: str, cell: str) -> list[str]:
    """Return the value of a category, or the words of a text in lower case."""
    return tokenize(cell, "none" if kind == "category" else "words", lowercase=kind == "text")
