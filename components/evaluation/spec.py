"""Configuration of the evaluation: label bands, user-defined metrics, and the thresholds for a blessing."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from components.ingest.spec import DataSpec
from components.metrics.bands import BandSpec
from components.metrics.definitions import Kind, Metric
from components.metrics.own import own_metric, own_metrics
from components.metrics.table import of_kind
from components.metrics.targets import BaselineName, label_baselines
from components.spec import Spec

Bound = tuple[float | None, float | None]
"""Lowest and highest allowed value; None means no bound."""


def _checked(path: str) -> str:
    own_metric(path)
    return path


class EvaluationSpec(Spec):
    """Thresholds that a model must meet to be blessed, label bands, and user-defined metrics."""

    beat: list[BaselineName] | None = None
    """Counting baselines that the model must match or beat to be blessed, in both recall@10 and perplexity.
    `cooccurrence`, `history` and `nearest` have no probabilities, and are compared only by recall@10. If the label is a
    number, the only baseline is `mean`, the mean of the train split, and the comparison uses the rmse. With several
    labels per row, the baselines are `popular`, `bayes` and `nearest`, and `history` with tokenizer `none`. None: all
    baselines that apply to the data; see docs/explanation/how-it-works.md."""
    exclude_seen: bool = False
    """Remove items that the row already contains from the ranking on the test split, for both the model and the
    baselines. A label that the row already contains then counts as a miss. Perplexity, the calibration error, and
    validations during training still cover all classes. A change of this key starts a new training, because the
    exported model computes the ranking."""
    min_recall_at_10: float | None = Field(default=None, ge=0, le=1)
    """Minimum recall@10 on the test split, from 0 to 1. None: no minimum."""
    min_precision_at_1: float | None = Field(default=None, ge=0, le=1)
    """Minimum precision@1 on the test split, from 0 to 1: share of the rows whose most probable class is one of their
    labels. Only with several labels per row. None: no minimum."""
    max_perplexity: float | None = Field(default=None, gt=1)
    """Maximum perplexity on the test split. None: no maximum."""
    max_ece: float | None = Field(default=None, gt=0, le=1)
    """Maximum expected calibration error of the most probable class on the test split, from 0 to 1. None: no
    maximum."""
    max_nll_increase: float = Field(default=0.02, ge=0)
    """Maximum increase of the nll over the last blessed model, in nats, with both models measured on the same test
    split. A model with a larger increase is not blessed."""
    max_rmse: float | None = Field(default=None, gt=0)
    """Maximum rmse on the test split, in the units of the label. Only if the label is a number. None: no maximum."""
    max_rmse_increase: float = Field(default=0.02, ge=0)
    """Maximum increase of the rmse over the last blessed model, as a share of that model's rmse (0.02 is 2%), with both
    models measured on the same test split. A model with a larger increase is not blessed."""
    bands: BandSpec = BandSpec()
    """Bands of labels, by frequency rank, to report metrics for separately."""
    metrics: list[Annotated[str, AfterValidator(_checked)]] = []
    """Your own metrics, each written as `package.module:NAME`. See docs/how-to/extending.md."""

    @field_validator("metrics")
    @classmethod
    def _no_name_twice(cls, paths: list[str]) -> list[str]:
        own_metrics(paths)
        return paths

    def beaten(self, data: DataSpec) -> tuple[BaselineName, ...]:
        """Return the baselines that the model must match or beat on data of this kind."""
        return label_baselines(data, self.exclude_seen) if self.beat is None else tuple(self.beat)

    def bounds(self, metric: Metric) -> Bound:
        """Return the bounds of a metric."""
        bound = getattr(self, bound_key(metric), None)
        return (bound, None) if metric.better == "higher" else (None, bound)

    def increase(self, metric: Metric) -> float:
        """Return the maximum increase of an objective over the last blessed model."""
        return getattr(self, f"max_{metric.name}_increase")


def bound_key(metric: Metric) -> str:
    """Return the configuration key of a metric's bound."""
    return f"{'min' if metric.better == 'higher' else 'max'}_{metric.name}"


def bound_keys(kind: Kind) -> list[str]:
    """Return the keys of all bounds that apply to a kind of label, in the order of the specification."""
    keys = {bound_key(metric) for metric in of_kind(kind)}
    return [key for key in EvaluationSpec.model_fields if key in keys]
