"""Counts of out-of-vocabulary tokens and labels, and the most frequent of these labels."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_HELD = 1 << 17
"""Greatest number of distinct labels to hold. Above it, the labels with the lowest counts are dropped."""
_SHOWN = 10


@dataclass
class Outside:
    """Numbers of input tokens and of labels, in total and outside the vocabulary."""

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


@dataclass
class UnknownLabels:
    """Labels of a split that are outside the vocabulary.

    Attributes:
        labels: Number of all labels.
        counts: Number of occurrences of each label outside the vocabulary.
        unknown: Number of all occurrences of labels outside the vocabulary.
    """

    labels: int = 0
    counts: Counter[bytes] = field(default_factory=Counter)
    unknown: int = 0

    def add(self, labels: int, unknown: pa.Array) -> None:
        """Count labels.

        Args:
            labels: Number of labels.
            unknown: (n,) binary, the labels outside the vocabulary.
        """
        self.labels += labels
        self.unknown += len(unknown)
        found = unknown.value_counts()
        self.counts.update(dict(zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True)))
        if len(self.counts) > _HELD:
            self.counts = Counter(dict(self.counts.most_common(_HELD // 2)))

    def summary(self) -> dict[str, Any]:
        """Return the numbers, and the most frequent labels outside the vocabulary with their counts."""
        # Equal counts are in the order of the labels, so that the result does not depend on the files.
        most = sorted(self.counts.items(), key=lambda pair: (-pair[1], pair[0]))[:_SHOWN]
        return {
            "labels": self.labels,
            "outside": self.unknown,
            "most_frequent": [{"token": label.decode(errors="replace"), "count": count} for label, count in most],
        }
