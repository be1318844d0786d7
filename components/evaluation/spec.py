"""What is measured, and what a model must reach to be blessed."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from components.spec import Spec

BaselineName = Literal["popular", "bigram", "trigram", "mean"]


class BandSpec(Spec):
    """Bands of labels by their rank in the label vocabulary: head, then torso, then tail."""

    head: int = Field(default=1_000, ge=1)
    """Labels ranked before this are the head."""
    torso: int = Field(default=10_000, ge=1)
    """Labels ranked before this, and not in the head, are the torso; the rest is the tail."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.torso <= self.head:
            raise ValueError(f"bands.torso ({self.torso}) must be above bands.head ({self.head})")
        return self


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
