"""Zipf's law: of so many things, sorted by frequency, each comes in proportion to 1 / rank."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def frequencies(of: int) -> NDArray[np.float64]:
    """(of,), the most frequent first; sums to 1."""
    weights = 1 / np.arange(1, of + 1, dtype=np.float64)
    return weights / weights.sum()


def drawn(shares: NDArray[np.float64], uniform: NDArray[np.float64]) -> NDArray[np.int64]:
    """Which of the things uniform numbers draw, in their shape; rounding may leave the shares' sum below 1."""
    return np.minimum(np.searchsorted(np.cumsum(shares), uniform, side="right"), len(shares) - 1)
