"""Features of the labels of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from components.labels.features import FittedFeatures, coverage
from components.labels.reading import Items, read_items
from components.labels.spec import LabelsSpec
from components.layers.label_features.table import FeatureTable
from components.training.warm_start.transfer import label_feature_file


@dataclass(frozen=True)
class FeaturesOfLabels:
    """Features of the labels of a training.

    Attributes:
        fitted: Vocabularies and moments of the features.
        table: Features of each label, by id.
        own_dropout: Share of the labels of a training step that are computed from their features alone.
        coverage: Numbers of labels `with_features` and `without_features`, and of `other_lines` of the file.
    """

    fitted: FittedFeatures
    table: FeatureTable
    own_dropout: float
    coverage: Mapping[str, int]

    @classmethod
    def read(cls, spec: LabelsSpec, labels: Sequence[str], counts: Sequence[int]) -> FeaturesOfLabels:
        """Read the file of labels, and fit its features to the labels of the training.

        Args:
            spec: Configuration of the features of labels.
            labels: Labels by id.
            counts: Occurrences of each label in the train split.

        Raises:
            LabelsError: The file has faults; see `read_items`.
        """
        return cls.of(spec, read_items(spec), labels, counts)

    @classmethod
    def of(cls, spec: LabelsSpec, items: Items, labels: Sequence[str], counts: Sequence[int]) -> FeaturesOfLabels:
        """Fit features to the labels of the training.

        Args:
            spec: Configuration of the features of labels, whose file is not read.
            items: Cells of the file.
            labels: Labels by id.
            counts: Occurrences of each label in the train split.
        """
        fitted = FittedFeatures.of(spec, items, labels)
        return cls(fitted, fitted.table(items, labels, counts), spec.own_dropout, coverage(items, labels))

    @property
    def vocabularies(self) -> dict[str, list[str]]:
        """Entries of the tables of the features, by the name of the vocabulary."""
        return {label_feature_file(name): entries for name, entries in self.fitted.vocabularies.items()}

    def line(self) -> str:
        """Return a line about the numbers of labels with and without features."""
        found, without = self.coverage["with_features"], self.coverage["without_features"]
        others = self.coverage["other_lines"]
        unused = f"; {others:,} lines are of labels that training does not know" if others else ""
        return f"labels: {found:,} have features, {without:,} have no line in the file{unused}"
