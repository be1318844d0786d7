"""Tests of the sums of a label by row, and of the metrics of their totals, against a plain loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.evaluation.spec import BandSpec
from components.metrics.rows import row_sums
from components.metrics.targets import Target
from tests.drawing import drawn

BANDS = BandSpec(head=2, torso=5)
LABEL = Target("", "label", ())
COLUMNS = LABEL.stored_names
Label = tuple[int, float, int, int]  # id or -1, nats, rank, row


def band_of(label: int) -> str:
    if label < 0 or label >= 5:
        return "tail"
    return "head" if label < 2 else "torso"


@drawn()
@given(labels=st.lists(st.tuples(st.integers(-1, 8), st.floats(0, 20), st.integers(1, 30), st.integers(0, 3))))
def test_row_sums_equal_a_loop(labels: list[Label]) -> None:
    expected = np.zeros((4, len(COLUMNS)))
    for label, nll, rank, row in labels:
        known = label >= 0
        values = {
            "count": 1.0,
            "known": float(known),
            "nll": nll if known else 0.0,
            **{f"hit_{k}": float(known and rank <= k) for k in (1, 5, 10, 20)},
            **{f"rr_{k}": 1 / rank if known and rank <= k else 0.0 for k in (10, 20)},
            "ndcg_10": 1 / math.log2(1 + rank) if known and rank <= 10 else 0.0,
        }
        for name, value in values.items():
            expected[row, COLUMNS.index(name)] += value
            expected[row, COLUMNS.index(f"{name}_{band_of(label)}")] += value
    ids, nll, rank, rows = (np.array([x[i] for x in labels]) for i in range(4))
    values = {"label": ids.astype(np.int64), "nll": nll.astype(float), "rank": rank.astype(np.int64)}
    found = row_sums(LABEL.sums, values, rows.astype(np.int64), 4, bands=BANDS)
    assert found == pytest.approx(expected)


def test_metrics_count_a_label_outside_the_vocabulary_as_a_miss() -> None:
    ids, nll, rank = np.array([0, 3, -1, 7]), np.array([1.0, 2.0, 99.0, 6.0]), np.array([1, 4, 1, 15])
    values = {"label": ids, "nll": nll, "rank": rank}
    total = row_sums(LABEL.sums, values, np.zeros(4, np.int64), 1, bands=BANDS)[0]
    metrics = LABEL.measured(total)
    assert metrics == pytest.approx(
        {
            "nll": 3.0,
            "perplexity": math.exp(3),
            "recall_at_1": 1 / 4,
            "recall_at_5": 2 / 4,
            "recall_at_10": 2 / 4,
            "recall_at_20": 3 / 4,
            "mrr_at_10": (1 + 1 / 4) / 4,
            "mrr_at_20": (1 + 1 / 4 + 1 / 15) / 4,
            "ndcg_at_10": (1 + 1 / math.log2(5)) / 4,
            "count": 4,
            "known": 3,
            "oov_rate": 1 / 4,
            "ece": math.nan,
            "ece_confident": math.nan,
        },
        nan_ok=True,
    )
    tail = LABEL.measured(total, "tail")
    assert (tail["count"], tail["known"], tail["nll"], tail["recall_at_20"]) == (2, 1, 6.0, 0.5)


def test_nothing_measured_is_no_number() -> None:
    metrics = LABEL.measured(np.zeros(len(COLUMNS)), "head")
    assert metrics["count"] == 0
    assert all(math.isnan(metrics[name]) for name in ("nll", "perplexity", "recall_at_10", "mrr_at_10", "oov_rate"))


def test_bands_out_of_order_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"bands.torso \(10\) must be above bands.head \(10\)"):
        BandSpec(head=10, torso=10)
