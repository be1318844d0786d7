import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.layers.classes.clusters import ClusterIndex, Clusters, logit_moments
from components.layers.classes.kmeans import kmeans
from components.layers.classes.sweep import sweep
from tests.drawing import drawn


def problem(seed: int, classes: int = 60, width: int = 5, rows: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    vectors, queries = (rng.normal(size=(n, width)).astype(np.float32) for n in (classes, rows))
    return vectors, rng.normal(size=classes).astype(np.float32), queries


def rows_of(vectors, bias):
    return lambda ids: (tf.gather(vectors, ids), tf.gather(bias, ids))


@drawn(15)
@given(st.integers(0, 10**6), st.integers(1, 12), st.sampled_from([0.0, 2.0]))
def test_a_search_of_all_clusters_is_exact(seed, count, spread):
    vectors, bias, queries = problem(seed)
    assigned = np.random.default_rng(seed).integers(count, size=len(bias))
    clusters = Clusters.of(np.c_[vectors, bias], assigned)
    index = ClusterIndex(clusters, probes=count, spread=spread)
    found, exact = index.search(tf.constant(queries), rows_of(vectors, bias), 7), sweep(queries, vectors, bias, k=7)
    np.testing.assert_array_equal(found.ids, exact.ids)
    np.testing.assert_allclose(found.probabilities, exact.probabilities, rtol=1e-4)


@drawn(15)
@given(st.integers(0, 10**6), st.integers(2, 12))
def test_the_probabilities_of_a_search_are_at_most_a_distribution(seed, count):
    vectors, bias, queries = problem(seed)
    clusters = Clusters.of(np.c_[vectors, bias], kmeans(np.c_[vectors, bias], count, seed))
    probes = clusters.least_probes(3)
    found = ClusterIndex(clusters, probes).search(tf.constant(queries), rows_of(vectors, bias), 3)
    assert (np.diff(found.probabilities, axis=1) <= 0).all()
    assert (np.sum(found.probabilities, axis=1) <= 1 + 1e-5).all()
    assert all(len(set(row)) == 3 for row in found.ids.numpy())


def test_the_logits_of_a_search_are_exact():
    vectors, bias, queries = problem(1)
    clusters = Clusters.of(np.c_[vectors, bias], kmeans(np.c_[vectors, bias], 6))
    rows = rows_of(vectors, bias)
    found = ClusterIndex(clusters, 3).search(tf.constant(queries), rows, 4, independent=True)
    logits = queries @ vectors.T + bias
    expected = 1 / (1 + np.exp(-np.take_along_axis(logits, found.ids.numpy(), axis=1)))
    np.testing.assert_allclose(found.probabilities, expected, rtol=1e-5)


def test_no_rows_have_no_answers():
    vectors, bias, _ = problem(2)
    clusters = Clusters.of(np.c_[vectors, bias], kmeans(np.c_[vectors, bias], 6))
    found = ClusterIndex(clusters, 3).search(tf.zeros([0, 5]), rows_of(vectors, bias), 4)
    assert found.ids.shape == (0, 4)


def test_the_moments_of_a_cluster_are_those_of_its_logits():
    vectors, bias, _ = problem(3)
    points = np.c_[vectors, bias]
    clusters = Clusters.of(points, kmeans(points, 5))
    assert sorted(clusters.members) == list(range(len(bias)))
    axis = np.eye(5, dtype=np.float32)  # Along one coordinate, no covariance counts.
    means, spreads = logit_moments(tf.constant(axis), clusters.means, clusters.variances)
    for cluster, (start, end) in enumerate(zip(clusters.starts, clusters.starts[1:], strict=False)):
        own = points[clusters.members[start:end]]
        np.testing.assert_allclose(means[:, cluster], (own[:, :-1] + own[:, -1:]).mean(axis=0), atol=1e-5)
        variance = own[:, :-1].var(axis=0) + own[:, -1].var()
        np.testing.assert_allclose(spreads[:, cluster], np.sqrt(variance), atol=1e-5)


def test_kmeans_finds_groups():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(4), 50)
    points = (10 * np.eye(4)[group] + 0.1 * rng.normal(size=(200, 4))).astype(np.float32)
    # More clusters than groups, so that no first center is missing from a group.
    found = kmeans(points, 24, seed=1)
    assert all(len(set(group[found == cluster])) == 1 for cluster in set(found))


@pytest.mark.parametrize("k", [1, 5, 60])
def test_the_least_number_of_clusters_holds_enough_classes(k):
    vectors, bias, _ = problem(4)
    clusters = Clusters.of(np.c_[vectors, bias], kmeans(np.c_[vectors, bias], 9))
    sizes = np.sort(clusters.sizes)
    probes = clusters.least_probes(k)
    assert sizes[:probes].sum() >= k
    assert sizes[: probes - 1].sum() < k
