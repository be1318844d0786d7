from __future__ import annotations

import numpy as np
import pytest

from benchmarks.softmax.problem import BATCHES, Problem


def test_all_get_the_same() -> None:
    first, second = Problem(5_000, 64), Problem(5_000, 64)
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.hidden, second.hidden)
    assert first.hidden.shape == (BATCHES, 64, first.width)
    assert first.hidden.dtype == np.float32


@pytest.mark.parametrize("classes", [100, 25_000, 1_000_000])
def test_labels_follow_zipf(classes: int) -> None:
    problem = Problem(classes, 1_024)
    labels = problem.labels
    assert labels.min() == 0
    assert labels.max() < classes
    expected = problem.frequencies[0]
    error = np.sqrt(expected * (1 - expected) / labels.size)
    assert abs((labels == 0).mean() - expected) < 4 * error
    assert problem.counts.min() >= 1
    assert problem.counts[0] / problem.counts[9] == pytest.approx(10, rel=1e-3)
    for shares in (problem.frequencies, problem.proposal):
        assert shares.sum() == pytest.approx(1)


def test_candidates_are_as_many_as_a_step_finds() -> None:
    problem = Problem(3_000, 256, negatives=200)
    generator = np.random.default_rng(0)
    found = [
        len(np.union1d(labels, generator.choice(3_000, problem.negatives, p=problem.proposal)))
        for labels in problem.labels
        for _ in range(50)
    ]
    error = np.std(found) / np.sqrt(len(found))
    assert abs(problem.candidates - np.mean(found)) < 4 * error + 0.5


def test_several_labels_of_a_row_are_distinct_and_follow_the_frequencies() -> None:
    problem = Problem(50, 400)
    labels = problem.several_labels(5)
    assert labels.shape == (BATCHES, 400, 5)
    assert (np.diff(labels, axis=2) > 0).all()
    counts = np.bincount(labels.ravel(), minlength=50)
    assert counts[0] > counts[5] > counts[40] > 0
