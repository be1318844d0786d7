"""Tests of the calibration error and of the points of a reliability diagram, against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.metrics.reliability import BINS, CONFIDENT, EDGES, reliability, sum_names
from components.metrics.rows import row_sums
from components.metrics.table import BY_NAME
from components.metrics.targets import RANKING_ONLY, Target
from tests.drawing import drawn

LABEL = Target("", "label", ("popular", *RANKING_ONLY))
PREDICTIONS = st.lists(st.tuples(st.floats(0, 1, width=32) | st.sampled_from(EDGES), st.booleans()), min_size=1)


def totals(confidence: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Return the totals of a model, (len(LABEL.sum_names),), which are 0 except for the sums of the model alone."""
    values = {"label": np.zeros(len(correct), np.int64), "confidence": confidence, "correct": correct}
    found = row_sums(LABEL.model_sums, values, np.zeros(len(correct), np.int64), 1)[0]
    return np.concatenate([np.zeros(len(LABEL.stored_names)), found])


def bin_of(probability: float) -> int:
    return max(place for place, (low, _) in enumerate(BINS) if np.float32(probability) >= np.float32(low))


def defined(confidence: np.ndarray, correct: np.ndarray, least: float = 0.0) -> float:
    """Return sum_b n_b / n |acc_b - conf_b| by its definition, over the bins from `least` on."""
    bins = np.array([bin_of(probability) for probability in confidence])
    kept = [place for place, (low, _) in enumerate(BINS) if low >= least and (bins == place).any()]
    n = np.isin(bins, kept).sum()
    gaps = [abs(correct[bins == place].mean() - confidence[bins == place].mean(dtype=np.float64)) for place in kept]
    return sum((bins == place).sum() / n * gap for place, gap in zip(kept, gaps, strict=True)) if n else math.nan


@given(PREDICTIONS)
@drawn()
def test_the_calibration_error_is_that_of_its_definition(predictions: list[tuple[float, bool]]) -> None:
    confidence = np.array([probability for probability, _ in predictions], np.float32)
    correct = np.array([hit for _, hit in predictions])
    found = LABEL.measured(totals(confidence, correct))
    for name, least in (("ece", 0.0), ("ece_confident", CONFIDENT)):
        assert found[name] == pytest.approx(defined(confidence, correct, least), abs=1e-6, nan_ok=True)


@given(PREDICTIONS)
@drawn()
def test_the_points_of_a_diagram_are_means_of_their_bins(predictions: list[tuple[float, bool]]) -> None:
    confidence = np.array([probability for probability, _ in predictions], np.float32)
    correct = np.array([hit for _, hit in predictions])
    bins = np.array([bin_of(probability) for probability in confidence])
    points = reliability(LABEL.model_totals(totals(confidence, correct)))
    assert [(point["low"], point["high"]) for point in points] == [*BINS]
    assert sum(point["count"] for point in points) == len(predictions)
    for place, point in enumerate(points):
        inside = bins == place
        assert point["count"] == inside.sum()
        if inside.any():
            assert point["confidence"] == pytest.approx(confidence[inside].mean(dtype=np.float64))
            assert point["share_correct"] == pytest.approx(correct[inside].mean())
        else:
            assert point["confidence"] is point["share_correct"] is None


def test_a_calibration_error_by_hand() -> None:
    # Bin .3 to .4: three predictions of .35, one correct. Bin from .9: two predictions of 1, one correct. Bin from 0:
    # five predictions of .004, none correct. Gaps |1.05 - 1|, |2 - 1| and .02.
    confidence = np.array([0.35] * 3 + [1.0] * 2 + [0.004] * 5, np.float32)
    correct = np.array([True, False, False, True, False] + [False] * 5)
    found = LABEL.measured(totals(confidence, correct))
    assert found["ece"] == pytest.approx((0.05 + 1 + 0.02) / 10)
    assert found["ece_confident"] == pytest.approx((0.05 + 1) / 5)


def test_neither_bands_nor_baselines_have_it() -> None:
    whole = totals(np.array([0.5], np.float32), np.array([True]))
    assert LABEL.measured(whole)["ece"] == 0.5
    assert math.isnan(LABEL.measured(whole, "head")["ece"])
    assert math.isnan(LABEL.measured(whole[: len(LABEL.stored_names)])["ece"])
    assert not any(LABEL.measures(BY_NAME["ece"], baseline) for baseline in LABEL.baselines)
    assert LABEL.measures(BY_NAME["nll"], "popular")
    assert not set(sum_names()) & set(LABEL.stored_names)


def test_a_model_of_an_earlier_version_has_no_points() -> None:
    assert reliability(LABEL.model_totals(())) == []
