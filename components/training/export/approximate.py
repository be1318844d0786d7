"""Choice of the approximate search of an export, on rows that the model was not trained on."""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.layers.classes.clusters import ClusterIndex, Clusters, logit_moments
from components.layers.classes.kmeans import kmeans
from components.layers.outputs import ClassOutput
from components.training.model import VocabularyClassifier
from components.training.spec import ApproximateSpec

TOP = 10
"""Number of classes of an answer whose recall is bounded."""
MOST_READ = 0.1
"""Largest share of the classes that a search may read. Beyond it, the exact answers of a batch are faster."""
_SPREADS = (0.0, 1.0, 2.0, 3.0, 4.0)
_SEED = 7
# Rows of the measurement, and logits of all rows together.
_LEAST_ROWS, _ROWS, _LOGITS = 512, 4_096, 1 << 31
# Logits held at a time.
_HELD = 1 << 24
# Quantile of the normal distribution: one-sided, 95%.
_QUANTILE = 1.645


class Chosen(NamedTuple):
    """Approximate search of an export.

    Attributes:
        search: Index for the search; None if the answers are exact.
        facts: Facts for the history. `exact`: the reason for exact answers; absent for approximate ones. `clusters`:
            number of clusters. `probes`: number of clusters that a search reads. `read`: mean share of the classes in
            them. `recall_at_10`, with its lower bound `recall_at_10_bound`, and `recall_at_k`, for the `k` labels of an
            answer: mean share of the most probable classes that a search finds. `rows`: number of rows of the
            measurement. `probability_error` and `probability_error_99`: median and 99% quantile of the relative error
            of the probabilities of a row.
    """

    search: ClusterIndex | None
    facts: dict[str, Any]


class Measured(NamedTuple):
    """Exact answers to rows, by cluster.

    Attributes:
        top: (rows, k) cluster of each of the most probable classes, the most probable first.
        mass: (rows, clusters) float64 logarithm of the sum of exp(logit) over each cluster.
    """

    top: NDArray[np.int64]
    mass: NDArray[np.float64]


def obstacle(model: VocabularyClassifier) -> str | None:
    """Return the reason why the answers of a model cannot be searched for in clusters, or None."""
    label = model.label
    if getattr(label, "mixture", None) is not None:
        return "the softmax is mixed with counts (trainer.head.mixture), which rank other classes first"
    if getattr(label, "repeats", None) is not None:
        return "the classes of a row's own history have a bonus (trainer.head.repeats), which no cluster knows"
    if model.label_features is not None:
        return "labels can be added to a model with features of labels, and a new label is in no cluster"
    return None


def is_asked(model: VocabularyClassifier, spec: ApproximateSpec | None) -> bool:
    """Return True if a configuration asks for approximate answers of a model."""
    return spec is not None and isinstance(model.label, ClassOutput) and model.label.head.classes > spec.above


def choose(model: VocabularyClassifier, hidden: tf.Tensor | None, spec: ApproximateSpec, top_k: int) -> Chosen:
    """Cluster the classes of the label, and choose the number of clusters that a search reads: see `fit`.

    Args:
        model: Frozen and calibrated model.
        hidden: (rows, width) hidden vectors of rows that the model was not trained on; None without rows.
        spec: Configuration that asks for approximate answers: see `is_asked`.
        top_k: Number of labels in an answer.
    """
    reason = obstacle(model)
    if reason is None and (hidden is None or hidden.shape[0] < 2 * _fewest(spec.recall)):
        reason = f"the eval split has too few rows to bound the recall: {2 * _fewest(spec.recall):,} are needed"
    if reason is not None:
        return Chosen(None, {"exact": reason})
    queries, table, bias = model.label.logit_factors(hidden)
    points = np.concatenate([np.asarray(table[:]), np.asarray(bias)[:, np.newaxis]], axis=1)
    return fit(queries.numpy(), points, spec, top_k)


def fit(queries: NDArray[np.float32], points: NDArray[np.float32], spec: ApproximateSpec, top_k: int) -> Chosen:
    """Cluster classes, and choose the number of clusters that a search reads.

    Without a number in the configuration, it is the least one for which the lower bound of recall@10 is at least
    `spec.recall`: recall@10 is the share of the 10 most probable classes that the search finds, and the bound is that
    of a one-sided interval of 95% over the rows, with one more row of recall 0.

    Args:
        queries: (rows, width) float32 vectors of rows, at least 2. The first half shapes the clusters, and the recall
            is measured on the second half.
        points: (classes, width + 1) float32: the vector and the bias of each class.
        spec: Configuration.
        top_k: Number of labels in an answer.
    """
    classes = len(points)
    count = spec.clusters if spec.clusters != "auto" else 1 << round(math.log2(2 * math.sqrt(classes)))
    # The recall on the rows that shaped the clusters would be too large.
    first, queries = queries[: len(queries) // 2], queries[len(queries) // 2 :]
    near = np.concatenate([points[:, :-1] @ _metric(first), points[:, -1:]], axis=1)
    clusters = Clusters.of(points, kmeans(near, min(count, classes), _SEED))
    queries = queries[: int(np.clip(_LOGITS // classes, _LEAST_ROWS, _ROWS))]
    exact = measured(queries, points, clusters, min(max(top_k, TOP), classes))
    return _chosen(queries, clusters, exact, spec, min(top_k, classes))


def _metric(queries: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the matrix A for which |(v - w) A|^2 is the mean square of the difference of two classes' products.

    A is the Cholesky factor of the mean of q q^T, so the classes of a cluster have similar logits.

    Args:
        queries: (rows, width) float32.
    """
    moments = queries.T.astype(np.float64) @ queries / len(queries)
    # Queries may lie in a part of the space.
    ridge = 1e-5 * np.trace(moments) / len(moments) + 1e-12
    return np.linalg.cholesky(moments + ridge * np.eye(len(moments))).astype(np.float32)


def measured(queries: NDArray[np.float32], points: NDArray[np.float32], clusters: Clusters, top: int) -> Measured:
    """Compute the logits of all classes for each row.

    Args:
        queries: (rows, width) float32.
        points: (classes, width + 1) float32: the vector and the bias of each class.
        clusters: Clusters of the classes.
        top: Number of the most probable classes to find.
    """
    ordered = tf.constant(points[clusters.members])
    of_place = np.repeat(np.arange(len(clusters.sizes)), clusters.sizes)
    step = max(1, _HELD // len(points))
    tops, masses = [], []
    for first in range(0, len(queries), step):
        logits = tf.matmul(queries[first : first + step], ordered[:, :-1], transpose_b=True) + ordered[:, -1]
        tops.append(of_place[tf.math.top_k(logits, top).indices.numpy()])
        largest = tf.reduce_max(logits, axis=1, keepdims=True)
        sums = np.add.reduceat(tf.exp(logits - largest).numpy(), clusters.starts[:-1], axis=1)
        with np.errstate(divide="ignore"):
            masses.append(np.log(sums.astype(np.float64)) + largest.numpy())
    return Measured(np.concatenate(tops), np.concatenate(masses))


def _chosen(
    queries: NDArray[np.float32], clusters: Clusters, exact: Measured, spec: ApproximateSpec, top_k: int
) -> Chosen:
    means, spreads = (each.numpy() for each in logit_moments(queries, clusters.means, clusters.variances))
    least, count = clusters.least_probes(max(top_k, TOP)), len(clusters.sizes)
    best: tuple[float, int, float] | None = None
    for spread in _SPREADS:
        scores = means + spread * spreads
        places = _places(scores)
        needed = np.take_along_axis(places, exact.top[:, :TOP], axis=1)
        probes = max(least, _probes(needed, spec.recall, count)) if spec.probes == "auto" else max(least, spec.probes)
        read = float(np.where(places < probes, clusters.sizes, 0).sum(axis=1).mean()) / len(clusters.members)
        if best is None or read < best[0]:
            best = read, min(probes, count), spread
    assert best is not None
    read, probes, spread = best
    places = _places(means + spread * spreads)
    hits = np.take_along_axis(places, exact.top, axis=1) < probes
    recall, bound = _bounded(hits[:, :TOP].mean(axis=1))
    facts = {
        "clusters": count,
        "probes": probes,
        "read": read,
        "recall_at_10": recall,
        "recall_at_10_bound": bound,
        "k": top_k,
        "recall_at_k": float(hits[:, :top_k].mean()),
        "rows": len(queries),
    }
    if bound < spec.recall:
        return Chosen(None, {**facts, "exact": f"recall@10 would be {recall:.4f}, and at least {bound:.4f}"})
    if read > MOST_READ:
        return Chosen(None, {**facts, "exact": f"a search would read {read:.0%} of the classes"})
    rest = np.log(clusters.sizes) + means + np.square(spreads) / 2
    factor, errors = _normalizer(exact.mass, rest, places < probes)
    facts |= {"probability_error": float(np.median(errors)), "probability_error_99": float(np.quantile(errors, 0.99))}
    return Chosen(ClusterIndex(clusters, probes, spread, factor), facts)


def _places(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the place of each cluster in the order of descending scores, from 0: (rows, clusters)."""
    return np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1, kind="stable")


def _probes(needed: NDArray[np.int64], recall: float, count: int) -> int:
    """Return the least number of clusters with which the lower bound of the recall is reached, or `count`.

    Args:
        needed: (rows, k) place of the cluster of each class that a search must find.
        recall: Least recall.
        count: Number of clusters.
    """
    low, high = 1, count
    while low < high:  # The bound grows with the number of clusters.
        middle = (low + high) // 2
        if _bounded((needed < middle).mean(axis=1))[1] >= recall:
            high = middle
        else:
            low = middle + 1
    return low


def _fewest(recall: float) -> int:
    """Return the least number of rows with which a search that finds all classes reaches a bound."""
    return next(n for n in itertools.count(1) if _bounded(np.ones(n))[1] >= recall)


def _bounded(recalls: NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean of the recalls of rows, and its lower bound."""
    # With one more row of recall 0, the interval has a width even if no row misses a class.
    more = np.append(recalls, 0.0)
    return float(recalls.mean()), float(more.mean() - _QUANTILE * more.std() / math.sqrt(len(more)))


def _normalizer(
    mass: NDArray[np.float64], rest: NDArray[np.float32], is_read: NDArray[np.bool_]
) -> tuple[float, NDArray[np.float64]]:
    """Return the logarithm of the factor of the estimated part, and the relative error of each probability.

    Args:
        mass: (rows, clusters) logarithms of the exact sums.
        rest: (rows, clusters) logarithms of the estimated sums.
        is_read: (rows, clusters) True for the clusters that a search reads.
    """
    exact = np.logaddexp.reduce(np.where(is_read, -np.inf, mass), axis=1)
    estimate = np.logaddexp.reduce(np.where(is_read, -np.inf, rest.astype(np.float64)), axis=1)
    both = np.isfinite(exact) & np.isfinite(estimate)
    factor = float(np.median(exact[both] - estimate[both])) if both.any() else 0.0
    read = np.logaddexp.reduce(np.where(is_read, mass, -np.inf), axis=1)
    whole = np.logaddexp(read, estimate + factor)
    return factor, np.abs(np.expm1(np.logaddexp(read, exact) - whole))
