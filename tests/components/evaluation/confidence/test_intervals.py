"""Tests of the intervals of metrics."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.evaluation.confidence.intervals import MIN_ROWS, intervals
from components.evaluation.confidence.margins import resample_weights
from components.metrics.targets import Target
from tests.drawing import drawn

LABEL = Target("", "label", ())
NAMES = ("recall_at_10", "perplexity")


def rows_of(seed: int, rows: int) -> np.ndarray:
    """Return the sums of rows of 5 to 30 labels, whose difficulty differs by row."""
    generator = np.random.default_rng(seed)
    found = np.zeros([rows, len(LABEL.sums)])
    at = {of.name: place for place, of in enumerate(LABEL.sums)}
    for row in found:
        labels = int(generator.integers(5, 30))
        hits = generator.random(labels) < generator.beta(4, 4)
        row[at["count"]] = row[at["known"]] = labels
        row[at["hit_10"]] = hits.sum()
        row[at["nll"]] = generator.gamma(4, 1, labels).sum()
    return found


@drawn(10)
@given(st.integers(0, 2**20), st.integers(60, 200))
def test_an_interval_is_near_that_of_a_bootstrap(seed: int, count: int) -> None:
    rows = rows_of(seed, count)
    found = intervals(LABEL, rows, NAMES)
    assert set(found) == set(NAMES)
    (weights,) = resample_weights(count, 500, seed)
    drawn = [LABEL.measured(total) for total in weights @ rows]
    for name, (low, high) in found.items():
        a, b = np.quantile([values[name] for values in drawn], [0.025, 0.975])
        assert low < LABEL.measured(rows.sum(axis=0))[name] < high
        np.testing.assert_allclose([low, high], [a, b], atol=0.35 * (b - a))


def test_a_share_stays_a_share() -> None:
    rows = rows_of(1, 12)
    at = [of.name for of in LABEL.sums].index("hit_10")
    rows[:, at] = 0
    rows[0, at] = 1
    low, high = intervals(LABEL, rows, ["recall_at_10"])["recall_at_10"]
    assert low == 0
    assert 0 < high < 1


@pytest.mark.parametrize("rows", [rows_of(1, MIN_ROWS - 1), np.zeros([50, len(LABEL.sums)])])
def test_too_few_rows_and_rows_without_labels_have_no_interval(rows: np.ndarray) -> None:
    assert intervals(LABEL, rows, NAMES) == {}


def test_rows_that_do_not_differ_have_no_interval() -> None:
    assert intervals(LABEL, np.repeat(rows_of(1, 1), 20, axis=0), ["recall_at_10"]) == {}
