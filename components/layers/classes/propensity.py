"""Propensities of labels: the estimated probability that a label which applies to a row is listed there.

    1 / p_l = 1 + C (N_l + B)^-A,    C = (log N - 1) (B + 1)^A

N is the number of rows, N_l the number of rows with the label, A = .55 and B = 1.5. Rare labels are missing more often,
so that a hit counts more. Source: Jain, Prabhu, Varma, "Extreme Multi-label Loss Functions for Recommendation, Tagging,
Ranking & Other Missing Label Applications" (2016), section 4.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

A, B = 0.55, 1.5


def inverse_propensities(counts: Any, rows: int | None = None) -> np.ndarray:
    """Return 1 / p of each class, and of a label outside the vocabulary, which counts as never seen.

    Args:
        counts: (classes,) number of rows with each class.
        rows: Number of rows that have a label. None: the sum of the counts.

    Returns:
        (classes + 1,) float32, at least 1. The last entry, which the label -1 finds, is that of the labels outside.
    """
    counts = np.append(np.asarray(counts, np.float64), 0.0)
    total = counts.sum() if rows is None else float(rows)
    # Below e rows, C would be negative and some propensities above 1.
    c = max(0.0, math.log(max(total, 1.0)) - 1.0) * (B + 1.0) ** A
    return (1.0 + c * (counts + B) ** -A).astype(np.float32)
