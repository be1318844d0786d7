"""Threshold of the probability from which a model with several labels per row chooses a class."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def best_threshold(
    probabilities: NDArray[np.floating],
    hits: NDArray[np.bool_],
    labels: float,
    weights: NDArray[np.float64] | None = None,
) -> float:
    """Return the threshold with the largest micro-averaged F1.

    The classes of the answers with a probability of at least the threshold are chosen. Over all rows together:

        F1 = 2 hits / (chosen classes + labels)

    The threshold is halfway between the least probability that is chosen and the next one, so that a rounding error
    chooses the same classes. Of thresholds with the same F1, the largest is returned.

    Source: Manning, Raghavan, Schuetze, "Introduction to Information Retrieval" (2008), sections 8.3 and 13.6.

    Args:
        probabilities: (rows, k) probabilities of the classes in the answers; at least one.
        hits: (rows, k) bool, True if the class is one of the labels of the row.
        labels: Number of labels of all rows, also of those that no answer contains, each with the weight of its row.
        weights: (rows,) weights with which hits and chosen classes count. None: 1.
    """
    order = np.argsort(-probabilities, axis=None, kind="stable")
    falling = np.asarray(probabilities, np.float64).reshape(-1)[order]
    each = np.ones(hits.shape) if weights is None else np.broadcast_to(weights[:, np.newaxis], hits.shape)
    chosen, found = (np.cumsum(of.reshape(-1)[order]) for of in (each, hits * each))
    f1 = 2.0 * found / (chosen + labels)
    # Equal probabilities are chosen together.
    ends = np.append(falling[:-1] > falling[1:], True)
    place = int(np.argmax(np.where(ends, f1, -1.0)))
    below = falling[place + 1] if place + 1 < len(falling) else falling[place]
    return float((falling[place] + below) / 2)
