from __future__ import annotations

import numpy as np
import pytest

from components.layers.classes.clusters import Clusters
from components.training.export.approximate import MOST_READ, Measured, fit, measured
from components.training.export.approximate import _normalizer as normalizer
from components.training.spec import ApproximateSpec


def planted(noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Return queries, and points in groups of 40 classes, which a small noise keeps apart."""
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(50, 8))
    vectors = np.repeat(centers, 40, axis=0) + noise * rng.normal(size=(2_000, 8))
    queries = 3 * centers[rng.integers(50, size=1_200)] + 0.1 * rng.normal(size=(1_200, 8))
    return queries.astype(np.float32), np.c_[vectors, np.zeros(2_000)].astype(np.float32)


def test_the_least_number_of_clusters_reaches_the_recall():
    queries, points = planted(0.02)
    index, facts = fit(queries, points, ApproximateSpec(clusters=100), 10)
    assert index is not None
    assert facts["recall_at_10"] >= facts["recall_at_10_bound"] >= 0.99
    assert facts["read"] <= MOST_READ
    assert facts["rows"] == 600
    assert facts["probability_error"] < 0.05
    found = index.search(queries[:50], lambda ids: (points[ids.numpy(), :-1], points[ids.numpy(), -1]), 10)
    exact = np.argsort(-(queries[:50] @ points[:, :-1].T), axis=1)[:, :10]
    shared = [len({*a} & {*b}) / 10 for a, b in zip(found.ids.numpy(), exact, strict=True)]
    assert np.mean(shared) >= 0.98


def test_answers_stay_exact_if_the_search_would_read_too_much():
    queries, points = planted(3.0)
    index, facts = fit(queries, points, ApproximateSpec(clusters=30), 10)
    assert index is None
    assert "would read" in facts["exact"]


def test_answers_stay_exact_if_a_given_number_of_clusters_misses_too_many():
    queries, points = planted(3.0)
    index, facts = fit(queries, points, ApproximateSpec(clusters=30, probes=1), 10)
    assert index is None
    assert "recall@10 would be" in facts["exact"]
    assert facts["recall_at_10"] < 0.99


def test_the_measurement_is_that_of_all_logits():
    queries, points = planted(0.5)
    clusters = Clusters.of(points, np.arange(2_000) % 7)
    found: Measured = measured(queries[:20], points, clusters, 5)
    logits = queries[:20] @ points[:, :-1].T + points[:, -1]
    np.testing.assert_array_equal(found.top, np.argsort(-logits, axis=1, kind="stable")[:, :5] % 7)
    expected = np.log([[np.exp(row[cluster::7]).sum() for cluster in range(7)] for row in logits])
    np.testing.assert_allclose(found.mass, expected, rtol=1e-4)


def test_the_normalizer_is_exact_if_the_estimate_is():
    mass = np.log(np.random.default_rng(0).uniform(1, 2, (6, 5)))
    read = np.zeros((6, 5), bool)
    read[:, 0] = True
    factor, errors = normalizer(mass, (mass - 0.7).astype(np.float32), read)
    assert factor == pytest.approx(0.7, abs=1e-5)
    np.testing.assert_allclose(errors, 0, atol=1e-5)
