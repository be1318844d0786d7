"""Bands of labels: head, torso and tail."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from components.spec import Spec

BANDS = ("head", "torso", "tail")


class BandSpec(Spec):
    """Bands of labels by frequency rank in the label vocabulary: head, then torso, then tail."""

    head: int = Field(default=1_000, ge=1)
    """Number of most frequent labels in the head band."""
    torso: int = Field(default=10_000, ge=1)
    """Number of most frequent labels in the head and torso bands together. All other labels are in the tail. Must be
    greater than `head`."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.torso <= self.head:
            raise ValueError(f"bands.torso ({self.torso}) must be above bands.head ({self.head})")
        return self

    def masks(self, labels: Any) -> dict[str, Any]:
        """Return a mask of the labels in each band.

        A label outside the vocabulary is in the tail.

        Args:
            labels: (n,) ids, as a NumPy array or a tensor; -1 outside the vocabulary.

        Returns:
            A mask, (n,) bool, for each of `BANDS`, by name.
        """
        known = labels >= 0
        head, before_tail = known & (labels < self.head), known & (labels < self.torso)
        return dict(zip(BANDS, (head, before_tail & ~head, ~before_tail), strict=True))
