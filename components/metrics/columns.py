"""The sums that evaluation is made of: one row of numbers per Example, added up over a split or a slice.

The model's `eval` signature answers these columns, the counting baselines are stored beside each Example in the same
order, and every metric is a ratio of two of their totals. So a metric over any slice is exact, whatever the batches.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from components.metrics.bands import BandSpec

SUMS = ("count", "known", "nll", "hit_1", "hit_10", "hit_20", "rr_10")
"""Labels, labels in the vocabulary, nats over the known ones, hits at 1, 10 and 20, reciprocal ranks up to 10."""
BANDS = ("head", "torso", "tail")
COLUMNS = SUMS + tuple(f"{sum_}_{band}" for band in BANDS for sum_ in SUMS)
"""`count`, `known`, ... over all labels, then `count_head`, `known_head`, ... for each band of label ids."""
METRICS = (
    "nll",
    "perplexity",
    "recall_at_1",
    "recall_at_10",
    "recall_at_20",
    "mrr_at_10",
    "count",
    "known",
    "oov_rate",
)


def row_sums(
    labels: NDArray[np.int64],
    nll: NDArray[np.float64],
    rank: NDArray[np.int64],
    rows: NDArray[np.int64],
    n_rows: int,
    bands: BandSpec,
) -> NDArray[np.float64]:
    """Adds up single labels by row.

    Args:
        labels: (n,) label ids, -1 outside the vocabulary: a miss, and part of the tail.
        nll: (n,) nats; read only where the label is known.
        rank: (n,) 1 is the most probable class; read only where the label is known.
        rows: (n,) the row of each label, in [0, n_rows).
        n_rows: number of rows.
        bands: where head and torso end.

    Returns:
        (n_rows, len(COLUMNS)).
    """
    known = labels >= 0
    place = np.where(known, rank, np.iinfo(np.int64).max)
    values = np.stack(
        [
            np.ones(len(labels)),
            known,
            np.where(known, nll, 0.0),
            place <= 1,
            place <= 10,
            place <= 20,
            np.where(place <= 10, 1.0 / place, 0.0),
        ]
    ).astype(np.float64)
    tail = ~known | (labels >= bands.torso)
    head = known & (labels < bands.head)
    masks = [np.ones(len(labels), bool), head, ~head & ~tail, tail & ~head]
    sums = [np.bincount(rows[mask], v[mask], n_rows) for mask in masks for v in values]
    return np.stack(sums, axis=1).astype(np.float64)


def metrics_of(sums: NDArray[np.float64], band: str | None = None) -> dict[str, float]:
    """The metrics of added-up columns.

    Args:
        sums: (len(COLUMNS),) totals.
        band: one of `BANDS`, or all labels.

    Returns:
        Every name in `METRICS`. Recall and MRR are over all labels, nll (nats) and perplexity over those in the
        vocabulary; NaN where there is no such label.
    """
    start = 0 if band is None else len(SUMS) * (1 + BANDS.index(band))
    count, known, nll, hit_1, hit_10, hit_20, rr_10 = (float(x) for x in sums[start : start + len(SUMS)])
    mean_nll = nll / known if known else math.nan
    over_all = 1.0 / count if count else math.nan
    return {
        "nll": mean_nll,
        # exp overflows beyond 709 nats, where a perplexity says nothing any more.
        "perplexity": math.exp(mean_nll) if not mean_nll > 700 else math.inf,
        "recall_at_1": hit_1 * over_all,
        "recall_at_10": hit_10 * over_all,
        "recall_at_20": hit_20 * over_all,
        "mrr_at_10": rr_10 * over_all,
        "count": count,
        "known": known,
        "oov_rate": (count - known) * over_all,
    }
