"""What a summary says of a model: the label's metrics, and those of the further targets."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer


class Part(BaseModel):
    """Of a summary. Numbers are finite, unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)
    left_out: ClassVar[tuple[str, ...]] = ()
    """Fields that are not written where they say nothing: of what most runs do not have."""

    @model_serializer(mode="wrap")
    def _without_what_says_nothing(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in handler(self).items() if value or name not in self.left_out}


class Metrics(Part):
    """Over the test split, with the full softmax. None where there was nothing to measure."""

    nll: float | None
    """Nats per label in the vocabulary."""
    perplexity: float | None
    """exp(nll), over labels in the vocabulary."""
    recall_at_1: float | None
    """Share of all labels; one outside the vocabulary is a miss."""
    recall_at_10: float | None
    recall_at_20: float | None
    mrr_at_10: float | None
    """Mean over all labels of 1 / rank, 0 for ranks beyond 10."""
    count: int | None
    """Labels."""
    known: int | None
    """Labels in the vocabulary."""
    oov_rate: float | None
    """Share of the labels outside the vocabulary."""


class NumberMetrics(Metrics):
    """Of a label that is a number: what is said of classes is None."""

    nll: float | None = None
    perplexity: float | None = None
    recall_at_1: float | None = None
    recall_at_10: float | None = None
    recall_at_20: float | None = None
    mrr_at_10: float | None = None
    known: int | None = None
    oov_rate: float | None = None
    rmse: float | None
    """Root of the mean squared error, in the label's units."""
    mae: float | None
    """Mean absolute error, in the label's units."""
    r2: float | None
    """1 less the squared error as a share of the labels' variance."""


class ClassTarget(Part):
    """A further target that is a category, over the labels whose row has a value."""

    accuracy: float | None
    """Share of them; a value outside the vocabulary is a miss."""
    nll: float | None
    """Nats per label with a known value."""
    count: int | None
    """Labels whose row has a value."""
    known: int | None
    """Labels whose row has a known value."""


class NumberTarget(Part):
    """A further target that is a number, in its column's units."""

    rmse: float | None
    mae: float | None
    r2: float | None
    count: int | None
    """Labels whose row has a number."""


LabelMetrics = Metrics | NumberMetrics
Targets = dict[str, ClassTarget | NumberTarget]
TargetBaselines = dict[str, dict[str, ClassTarget | NumberTarget]]
