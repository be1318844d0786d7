"""Baseline that repeats the history: the items that the row already contains, then all others by popularity."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.baselines.ranking import Scores, spread
from components.baselines.reading import Earlier

LATEST = 200
"""Number of tokens before a label that are its history."""


def repeat(earlier: Earlier, n_classes: int) -> Scores:
    """Return scores that rank the most frequent class of the history first, and among equals the latest.

        score(j) = (L + 1) n(j) - d(j)

    n(j) counts class j among the last L = `LATEST` tokens before the label. d(j) <= L is the distance from the label to
    the latest of them. So d decides only between equal counts, and no two classes of a history have the same score.

    Args:
        earlier: Tokens before each label.
        n_classes: Number of classes.
    """
    labels, at = spread(np.maximum(earlier.starts, earlier.ends - LATEST), earlier.ends)
    distance = earlier.ends[labels] - at
    classes = earlier.classes[at]
    known = classes >= 0
    packed, distance = (labels * n_classes + classes)[known], distance[known]
    order = np.lexsort((distance, packed))
    packed, first, counts = np.unique(packed[order], return_index=True, return_counts=True)
    scores: NDArray[np.int64] = (LATEST + 1) * counts - distance[order][first]
    return Scores(packed // n_classes, packed % n_classes, scores)
