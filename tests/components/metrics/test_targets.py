"""Tests of metrics of numbers and of further targets, against values worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.evaluation.metrics import model_metrics
from components.ingest.spec import DataSpec
from components.metrics.targets import Target, further_targets, label_target
from tests.drawing import drawn

SOURCE = {"kind": "csv", "path": "rows.csv"}
REGRESSION = DataSpec.model_validate(
    {"shape": "labelled", "source": SOURCE, "inputs": ["a"], "label": "price", "label_kind": "number"}
)
SEVERAL = DataSpec.model_validate(
    {
        "shape": "sequence",
        "source": {"kind": "sotu"},
        "inputs": ["words"],
        "targets": {"party": {"kind": "category"}, "year": {"kind": "number"}},
    }
)
NUMBER, CLASS = Target("", "number", ()), Target("party", "class", ())


def number_sums(answers: list[float], numbers: list[float], mean: float) -> np.ndarray:
    error, deviation = np.subtract(answers, numbers), np.subtract(numbers, mean)
    return np.array([len(numbers), (error**2).sum(), np.abs(error).sum(), deviation.sum(), (deviation**2).sum()])


def test_a_number_by_hand() -> None:
    # Errors 1, -1 and 4. The mean of the numbers is 4, and their squared distances from it are 4 + 0 + 4.
    metrics = NUMBER.measured(number_sums([3, 3, 10], [2, 4, 6], mean=1_000))
    assert metrics == pytest.approx({"rmse": math.sqrt(6), "mae": 2, "r2": 1 - 18 / 8, "count": 3})


@drawn()
@given(st.lists(st.floats(-100, 100), min_size=2), st.floats(-1e4, 1e4))
def test_r2_does_not_depend_on_the_mean_that_deviations_are_taken_from(numbers: list[float], mean: float) -> None:
    if np.std(numbers) < 1:
        return
    about = NUMBER.measured(number_sums([0.0] * len(numbers), numbers, mean))["r2"]
    expected = 1 - np.square(numbers).sum() / np.square(np.subtract(numbers, np.mean(numbers))).sum()
    assert about == pytest.approx(expected, rel=1e-2) or np.std(numbers) < 1e-2 * abs(mean)


def test_numbers_that_are_all_equal_have_no_r2() -> None:
    assert math.isnan(NUMBER.measured(number_sums([1, 2], [5, 5], mean=3))["r2"])


def test_nothing_measured_is_no_number() -> None:
    for found in (NUMBER.measured(np.zeros(5)), CLASS.measured(np.zeros(4))):
        assert found["count"] == 0
        assert all(math.isnan(value) for name, value in found.items() if name not in ("count", "known"))


def test_a_category_by_hand() -> None:
    found = CLASS.measured(np.array([4.0, 3.0, 1.5, 2.0]))
    assert found == pytest.approx({"accuracy": 0.5, "nll": 0.5, "count": 4, "known": 3})


def test_what_is_measured_follows_from_the_data() -> None:
    assert label_target(REGRESSION) == Target("", "number", ("mean",))
    assert label_target(SEVERAL) == Target("", "label", ("popular", "bigram", "trigram"))
    sums = ["count", "known", "nll", "hit_1", "hit_5", "hit_10", "hit_20", "rr_10", "rr_20", "ndcg_10"]
    banded = [f"{name}_{band}" for band in ("head", "torso", "tail") for name in sums]
    of_model = [f"top_{of}_{place}" for place in range(13) for of in ("count", "confidence", "correct")]
    assert [*label_target(SEVERAL).stored_names] == [*sums, *banded]
    assert [*label_target(SEVERAL).sum_names] == [*sums, *banded, *of_model]
    assert further_targets(SEVERAL) == (Target("party", "class", ("popular",)), Target("year", "number", ("mean",)))


@pytest.mark.parametrize(
    ("ours", "theirs", "ratio"), [(0.0, 0.0, 1.0), (1e21, 2e21, 0.5), (1e-8, 0.0, math.inf), (math.nan, 0.0, math.nan)]
)
def test_a_label_that_is_constant_can_be_answered_as_well_as_by_its_mean(
    ours: float, theirs: float, ratio: float
) -> None:
    sums = np.array([[4.0, 4 * ours**2, 4 * ours, 0, 0], [4.0, 4 * theirs**2, 4 * theirs, 0, 0]])
    found = model_metrics((label_target(REGRESSION),), (sums,))
    assert found["rmse_over_mean"] == pytest.approx(ratio, nan_ok=True)


def test_metrics_of_a_slice_have_a_name_for_each_target_and_baseline() -> None:
    targets = (label_target(REGRESSION), *further_targets(SEVERAL))
    label = np.stack([number_sums([1, 3], [2, 4], 3), number_sums([3, 3], [2, 4], 3) * [1, 4, 2, 1, 1]])
    party = np.array([[4.0, 4, 2, 3], [4, 4, 8, 1]])
    year = np.stack([number_sums([1900, 1950], [1910, 1950], 1930), number_sums([1930, 1930], [1910, 1950], 1930)])
    found = model_metrics(targets, (label, party, year))
    assert found["rmse"] == pytest.approx(1)
    assert found["baseline/mean/rmse"] == pytest.approx(2)
    assert found["rmse_over_mean"] == pytest.approx(0.5)
    assert found["target/party/accuracy"] == pytest.approx(0.75)
    assert found["target/party/baseline/popular/accuracy"] == pytest.approx(0.25)
    assert found["target/year/mae"] == pytest.approx(5)
    assert found["target/year/baseline/mean/rmse"] == pytest.approx(20)
    assert not any(name.startswith("target/") and "over" in name for name in found)
