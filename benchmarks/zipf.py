"""Zipf's law: the frequency of an item is proportional to 1 / rank."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def frequencies(of: int) -> NDArray[np.float64]:
    """Return the frequencies of `of` items, (of,), the most frequent first; they sum to 1."""
    weights = 1 / np.arange(1, of + 1, dtype=np.float64)
    return weights / weights.sum()


def drawn(shares: NDArray[np.float64], uniform: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the indices of the items that uniform numbers draw, in the shape of these numbers.

    Rounding may leave the sum of the shares below 1, so indices are clipped to the last item.
    """
    return np.minimum(np.searchsorted(np.cumsum(shares), uniform, side="right"), len(shares) - 1)
