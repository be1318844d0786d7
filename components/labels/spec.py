"""Configuration of the features of labels."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from components.spec import Spec


class LabelFeatureSpec(Spec):
    """Column of the file of labels that is a feature of a label."""

    kind: Literal["category", "number", "text"]
    """Type of the column. `category`: one value. `number`: a number. `text`: words, whose mean counts."""
    top: int = Field(default=10_000, ge=1)
    """`category` and `text` only: number of values, or words, that most labels have, which get their own vectors."""


class LabelsSpec(Spec):
    """Features of labels. A class vector is the label's own vector, joined with a vector of its features."""

    file: str = Field(min_length=1)
    """CSV file with a line for each label, relative to the configuration file. A label without a line has no features;
    a line without a label is not read in training."""
    key: str = Field(min_length=1)
    """Column with the label, in the spelling of the data."""
    features: dict[str, LabelFeatureSpec] = Field(min_length=1)
    """Columns that are features, by name."""
    own_dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share of the labels of a training step that are computed from their features alone. Above 0, features alone can
    stand for a label that training has never seen."""

    @model_validator(mode="after")
    def _key_is_no_feature(self) -> Self:
        if self.key in self.features:
            raise ValueError(f"labels.features: '{self.key}' is labels.key, and a label is no feature of itself")
        return self
