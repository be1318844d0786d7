"""What is measured, and what a model must reach to be blessed."""

from __future__ import annotations

from pydantic import Field

from components.metrics.bands import BandSpec
from components.metrics.parts import BaselineName
from components.spec import Spec


class EvaluationSpec(Spec):
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
