"""Specification of the evaluation: the bands, a user's own metrics, and the thresholds for a blessing."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from components.metrics.bands import BandSpec
from components.metrics.definitions import Kind, Metric
from components.metrics.own import own_metric, own_metrics
from components.metrics.parts import BaselineName
from components.metrics.table import of_kind
from components.spec import Spec

Bound = tuple[float | None, float | None]
"""The lowest and the highest value allowed, None where there is no bound."""


def _checked(path: str) -> str:
    own_metric(path)
    return path


class EvaluationSpec(Spec):
    """Specification of the evaluation."""

    beat: list[BaselineName] = ["popular"]
    """Counting baselines that the model must beat, in recall@10 and perplexity, to be blessed. Where the label is a
    number there is one, the train split's `mean`, and it is to be beaten in rmse."""
    min_recall_at_10: float | None = Field(default=None, ge=0, le=1)
    max_perplexity: float | None = Field(default=None, gt=1)
    max_nll_increase: float = Field(default=0.02, ge=0)
    """Against the last blessed model on the same test split, in nats. More is not blessed."""
    max_rmse: float | None = Field(default=None, gt=0)
    """Where the label is a number, in its units."""
    max_rmse_increase: float = Field(default=0.02, ge=0)
    """Against the last blessed model on the same test split, as a share of its rmse. More is not blessed."""
    bands: BandSpec = BandSpec()
    metrics: list[Annotated[str, AfterValidator(_checked)]] = []
    """Metrics of your own, each as `package.module:NAME`; see docs/extending.md."""

    @field_validator("metrics")
    @classmethod
    def _no_name_twice(cls, paths: list[str]) -> list[str]:
        own_metrics(paths)
        return paths

    def bounds(self, metric: Metric) -> Bound:
        """Return the bounds of a metric."""
        bound = getattr(self, bound_key(metric), None)
        return (bound, None) if metric.better == "higher" else (None, bound)

    def increase(self, metric: Metric) -> float:
        """Return the allowed increase of an objective over the last blessed model."""
        return getattr(self, f"max_{metric.name}_increase")


def bound_key(metric: Metric) -> str:
    """Return the key of the bound that a metric may have."""
    return f"{'min' if metric.better == 'higher' else 'max'}_{metric.name}"


def bound_keys(kind: Kind) -> list[str]:
    """Return the keys of the bounds that a kind of label has, in the order of the specification."""
    keys = {bound_key(metric) for metric in of_kind(kind)}
    return [key for key in EvaluationSpec.model_fields if key in keys]
