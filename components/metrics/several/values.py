"""Values of rows with several labels, in NumPy, for the baselines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def several_values(
    labels: Ints,
    rows: Ints,
    nll: NDArray[np.float64],
    rank: Ints,
    inverse: NDArray[np.floating],
    n_rows: int,
) -> dict[str, NDArray]:
    """Return the values that `components.layers.losses.several_values` returns for a model, for `row_sums`.

    Args:
        labels: (n,) classes, -1 outside the vocabulary, in ascending order of the rows.
        rows: (n,) row of each label.
        nll: (n,) nats of each known label: -log p(label), or the sum of the cross entropies of all classes of its row,
            divided by the number of known labels of the row.
        rank: (n,) ranks, from 1, of the known labels.
        inverse: (classes + 1,) inverse propensities; the last entry is that of a label outside the vocabulary.
        n_rows: Number of rows.
    """
    known = labels >= 0
    size = np.bincount(rows, minlength=n_rows)
    known_size = np.bincount(rows[known], minlength=n_rows)
    weights = inverse[labels].astype(np.float64)
    start = (np.cumsum(size) - size)[rows]
    first = np.zeros(len(labels), bool)
    order = np.lexsort((rank, ~known, rows))
    at_start = order[start == np.arange(len(labels))]  # The best-ranked known label of each row, if it has one.
    first[at_start] = known[at_start]
    ideal = np.empty(len(labels), np.int64)
    ideal[np.lexsort((-weights, rows))] = 1 + np.arange(len(labels)) - start
    return {
        "label": labels,
        "rank": rank,
        "nll": np.where(known, nll, 0.0) / np.maximum(known_size, 1)[rows],
        "size": size[rows].astype(np.float64),
        "known_size": known_size[rows].astype(np.float64),
        "first": first,
        "inverse": weights,
        "ideal": ideal,
    }
