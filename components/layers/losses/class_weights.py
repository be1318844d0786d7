"""Weights of classes by inverse frequency."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def class_weights(counts: Sequence[int] | NDArray[np.integer], power: float) -> NDArray[np.float32]:
    """Return the weight of each class, (classes,), from its number of occurrences n_j.

        w_j = n_j^-p  sum_k n_k / sum_k n_k^(1 - p)

    The mean over all occurrences is 1, so that the size of a step stays the same. p = 1 gives w_j = N / (C n_j) with
    N occurrences of C classes, and each class has the same share in the loss. p = 0 gives w_j = 1.

    Sources: King and Zeng, "Logistic Regression in Rare Events Data" (2001), the weighting; Cui et al.,
    "Class-Balanced Loss Based on Effective Number of Samples" (2019), weights between those of p = 0 and p = 1.

    Args:
        counts: Occurrences of each class. 0 counts as 1.
        power: p, from 0 to 1.
    """
    n = np.maximum(np.asarray(counts, np.float64), 1.0)
    return (n**-power * (n.sum() / (n ** (1.0 - power)).sum())).astype(np.float32)
