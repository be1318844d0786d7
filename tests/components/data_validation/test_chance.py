"""Tests of limits by the number of rows, on simulated splits: chance is no anomaly, a shift is an anomaly."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from components.data_validation.chance import (
    BY_ROWS,
    FALSE_ALARM,
    distance_by_chance,
    independent_rows,
    most_by_chance,
    widened,
)
from tests.drawing import drawn


def column(rows: int, unique: int = 1, lengths: dict[int, int] | None = None, missing: int = 0):
    """Return the statistics of a text column with a number of rows, by the number of values per row."""
    lengths = lengths or {1: rows}
    found = statistics_pb2.FeatureNameStatistics()
    found.path.step.append("label")
    found.string_stats.unique = unique
    common = found.string_stats.common_stats
    common.num_non_missing, common.num_missing = rows, missing
    common.tot_num_values = sum(length * n for length, n in lengths.items())
    common.max_num_values = max(lengths)
    for length, n in lengths.items():
        common.num_values_histogram.buckets.add(low_value=length, high_value=length, sample_count=n)
    return found


def zipf(values: int) -> NDArray[np.float64]:
    shares = 1.0 / np.arange(1, values + 1)
    return shares / shares.sum()


@pytest.mark.parametrize("rows", [(150, 19), (19, 19), (5_000, 600)])
@pytest.mark.parametrize("shares", [[0.5, 0.5], [0.1] * 10, zipf(2_000), [0.9, 0.1]], ids=len)
def test_splits_of_the_same_data_are_not_distinguished(rows: tuple[int, int], shares: list[float]) -> None:
    rng, trials = np.random.default_rng(7), 2_000
    one, other = (rng.multinomial(n, shares, trials) for n in rows)
    distances = np.abs(one / rows[0] - other / rows[1]).max(axis=1)
    limits = [
        distance_by_chance(column(rows[0], int(a)), column(rows[1], int(b)))
        for a, b in zip((one > 0).sum(axis=1), (other > 0).sum(axis=1), strict=True)
    ]
    # Three times FALSE_ALARM is 6 of 2,000.
    assert (distances > limits).sum() <= 3 * FALSE_ALARM * trials


def test_rows_of_many_equal_values_are_no_more_than_rows() -> None:
    rng, trials = np.random.default_rng(7), 1_000
    lengths = np.r_[np.full(30, 2), np.full(10, 50)]
    limit = distance_by_chance(column(40, 10, {2: 30, 50: 10}), column(40, 10, {2: 30, 50: 10}))

    def shares() -> NDArray[np.float64]:
        return np.bincount(rng.integers(10, size=40), lengths, 10) / lengths.sum()

    found = [np.abs(shares() - shares()).max() for _ in range(trials)]
    assert np.sum(np.array(found) > limit) <= 3 * FALSE_ALARM * trials
    # 560 values, 25,120 squares
    assert independent_rows(column(40, 10, {2: 30, 50: 10})) == pytest.approx(560**2 / 25_120)


def test_a_shift_of_many_rows_is_found() -> None:
    rng = np.random.default_rng(7)
    shifted = np.array(zipf(2_000))
    shifted[0] += 0.05
    one, other = rng.multinomial(100_000, zipf(2_000)), rng.multinomial(10_000, shifted / shifted.sum())
    distance = np.abs(one / 100_000 - other / 10_000).max()
    assert 0.02 < distance_by_chance(column(100_000, 2_000), column(10_000, 2_000)) < distance


def test_the_distance_by_hand() -> None:
    # sqrt((1 / 150 + 1 / 19) / 2 * ln(2 * 10 / 0.001)) = 0.5419
    assert distance_by_chance(column(150, 10), column(19, 10)) == pytest.approx(0.5419, abs=1e-4)
    assert distance_by_chance(column(150, 10), column(2, 2)) == 1.0


@drawn()
@given(st.integers(1, 10**7), st.integers(1, 10**7), st.integers(1, 10**5))
def test_more_rows_lie_closer_together(rows: int, others: int, values: int) -> None:
    near = distance_by_chance(column(10 * rows, values), column(10 * others, values))
    assert 0 < near <= distance_by_chance(column(rows, values), column(others, values)) <= 1


@drawn()
@given(st.integers(1, 10**5), st.floats(0.001, 0.5))
def test_a_share_is_exceeded_in_no_more_than_a_thousandth(rows: int, share: float) -> None:
    limit = most_by_chance(rows, share)
    assert share < limit <= 1
    assert stats.binom.sf(math.floor(limit * rows + 1e-9), rows, share) <= FALSE_ALARM


def schema(text: str = "", tag: str = BY_ROWS) -> schema_pb2.Schema:
    found = schema_pb2.Schema()
    feature = found.feature.add(name="label", type=schema_pb2.BYTES)
    feature.annotation.tag.append(tag)
    feature.skew_comparator.infinity_norm.threshold = 0.1
    feature.distribution_constraints.min_domain_mass = 0.95
    feature.presence.min_count = 1
    return found


def test_limits_of_few_rows_are_widened() -> None:
    now, train = {"label": column(19, 10)}, {"label": column(150, 10, missing=1_350)}
    [feature] = widened(schema(), now, train, {}).feature
    assert feature.skew_comparator.infinity_norm.threshold == pytest.approx(0.5419, abs=1e-4)
    assert feature.distribution_constraints.min_domain_mass == pytest.approx(1 - most_by_chance(19, 0.05))
    # A tenth of the rows have the column, so 19 rows all lack it with a probability of .9^19 = .14.
    assert feature.presence.min_count == 0


def test_limits_of_many_rows_stay_almost_as_they_are() -> None:
    now, train = {"label": column(10**6, 10)}, {"label": column(10**7, 10, missing=10**6)}
    [feature] = widened(schema(), now, train, {}).feature
    assert feature.skew_comparator.infinity_norm.threshold == pytest.approx(0.1)
    assert feature.distribution_constraints.min_domain_mass == pytest.approx(0.95, abs=0.001)
    assert feature.presence.min_count == 1


def test_limits_without_the_tag_are_left_alone() -> None:
    curated = schema(tag="other")
    assert widened(curated, {"label": column(2, 2)}, {"label": column(150, 10)}, {}) == curated
