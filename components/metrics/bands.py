"""Bands of labels: head, torso and tail."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from components.spec import Spec

BANDS = ("head", "torso", "tail")


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

    def masks(self, labels: Any) -> dict[str, Any]:
        """Return, for each of `BANDS`, the labels that are in it. A label outside the vocabulary is in the tail.

        Args:
            labels: (n,) ids, -1 outside the vocabulary: an array of NumPy or a tensor.

        Returns:
            (n,) bool each.
        """
        known = labels >= 0
        head, before_tail = known & (labels < self.head), known & (labels < self.torso)
        return dict(zip(BANDS, (head, before_tail & ~head, ~before_tail), strict=True))
