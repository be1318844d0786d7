"""Tests of the threshold from which a class counts as one of several labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.training.threshold import best_threshold
from tests.drawing import drawn


def f1(threshold: float, probabilities: np.ndarray, hits: np.ndarray, labels: int) -> float:
    chosen = probabilities >= threshold
    return 2 * int((hits & chosen).sum()) / max(int(chosen.sum()) + labels, 1)


def test_the_threshold_is_halfway_to_the_next_probability() -> None:
    probabilities = np.array([[0.9, 0.1], [0.7, 0.2]], np.float32)
    hits = np.array([[True, False], [True, False]])
    assert best_threshold(probabilities, hits, 2) == pytest.approx(0.45)


def test_equal_probabilities_are_chosen_together() -> None:
    probabilities, hits = np.array([[0.5], [0.5], [0.1]]), np.array([[True], [False], [True]])
    found = best_threshold(probabilities, hits, 2)
    assert found == pytest.approx(0.1)
    assert f1(found, probabilities, hits, 2) == pytest.approx(4 / 5)


@drawn(100)
@given(
    st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.8, 1.0]), st.booleans()), min_size=1, max_size=12),
    st.integers(0, 4),
)
def test_no_other_threshold_has_a_larger_f1(pairs: list[tuple[float, bool]], missed: int) -> None:
    probabilities, hits = np.array([[p] for p, _ in pairs]), np.array([[hit] for _, hit in pairs])
    labels = int(hits.sum()) + missed
    found = f1(best_threshold(probabilities, hits, labels), probabilities, hits, labels)
    assert found == pytest.approx(max(f1(p, probabilities, hits, labels) for p, _ in pairs))
