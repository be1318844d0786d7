"""Counts of out-of-vocabulary tokens and labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass
class Outside:
    """Numbers of input tokens and of labels: all of them, and those outside the vocabulary."""

    tokens: int = 0
    unknown_tokens: int = 0
    labels: int = 0
    unknown_labels: int = 0

    def __add__(self, other: Outside) -> Outside:
        return Outside(
            self.tokens + other.tokens,
            self.unknown_tokens + other.unknown_tokens,
            self.labels + other.labels,
            self.unknown_labels + other.unknown_labels,
        )

    def add_inputs(self, tokens: int, unknown: int) -> None:
        """Count input tokens, of which `unknown` are outside the vocabulary."""
        self.tokens += tokens
        self.unknown_tokens += unknown

    def add_labels(self, labels: NDArray[np.int64]) -> None:
        """Count label ids, (n,), -1 outside the vocabulary."""
        self.labels += len(labels)
        self.unknown_labels += int(np.count_nonzero(labels < 0))

    def rates(self) -> dict[str, float | None]:
        """Return the out-of-vocabulary rates of `inputs` and `labels`; None if nothing was counted."""
        return {
            "inputs": self.unknown_tokens / self.tokens if self.tokens else None,
            "labels": self.unknown_labels / self.labels if self.labels else None,
        }
