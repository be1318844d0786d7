"""Approximate search for the most probable classes, with an index of clusters of class vectors.

    z_j = q . v_j + b_j,    p_j = exp(z_j) / Z

A class is the point (v_j, b_j), and its logit the product with (q, 1). The points are clustered. A search computes the
mean logit m_c and the standard deviation s_c of the logits of each cluster, from the mean and the variances of its
points. It reads the classes of the clusters with the largest m_c + a s_c, computes their exact logits, and returns the
largest of these. So the logits are exact, and a class is missed only if its cluster is not read.

The normalizer needs all classes. It is exact over the classes that are read. A cluster of n classes that is not read
adds about n exp(m_c + s_c^2 / 2), the sum for normally distributed logits, times a factor that is fitted once.

Source: Sivic and Zisserman, "Video Google: A Text Retrieval Approach to Object Matching in Videos" (2003), for inverted
lists; Auvolat et al., "Clustering is Efficient for Approximate Maximum Inner Product Search" (2015), for products.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Rows = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
"""Function that takes (n,) classes, and returns their (n, width) vectors and (n,) biases."""
# Rows of a request that are searched at the same time.
_PARALLEL = 8


class Found(NamedTuple):
    """Result of a search.

    Attributes:
        ids: (batch, k) int32 classes with the largest logits among those that were read, the largest first.
        probabilities: (batch, k) float32 probabilities of these classes.
    """

    ids: tf.Tensor
    probabilities: tf.Tensor


class Clusters(NamedTuple):
    """Clusters of classes.

    Attributes:
        members: (classes,) int32 classes, in the order of their clusters, and in ascending order in a cluster.
        starts: (clusters + 1,) int32 position in `members` of the first class of each cluster, and the number of
            classes.
        means: (clusters, width + 1) float32 mean of the points of each cluster.
        variances: (clusters, width + 1) float32 variance of each coordinate in each cluster.
    """

    members: NDArray[np.int32]
    starts: NDArray[np.int32]
    means: NDArray[np.float32]
    variances: NDArray[np.float32]

    @classmethod
    def of(cls, points: NDArray[np.float32], assigned: NDArray[np.integer]) -> Clusters:
        """Return the clusters of an assignment, without the empty ones.

        Args:
            points: (classes, width + 1) float32: the vector and the bias of each class.
            assigned: (classes,) number of the cluster of each class.
        """
        members = np.argsort(assigned, kind="stable").astype(np.int32)
        ordered = assigned[members]
        firsts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
        sizes = np.diff(np.append(firsts, len(members)))[:, np.newaxis]
        means = np.add.reduceat(points[members], firsts, axis=0, dtype=np.float64) / sizes
        away = points[members] - np.repeat(means, sizes[:, 0], axis=0).astype(np.float32)
        variances = np.add.reduceat(np.square(away), firsts, axis=0) / sizes
        starts = np.append(firsts, len(members)).astype(np.int32)
        return cls(members, starts, means.astype(np.float32), variances.astype(np.float32))

    @property
    def sizes(self) -> NDArray[np.int32]:
        """Number of classes of each cluster, (clusters,), at least 1 each."""
        return np.diff(self.starts)

    def least_probes(self, k: int) -> int:
        """Return the least number of clusters that always hold at least `k` classes."""
        return 1 + int(np.searchsorted(np.cumsum(np.sort(self.sizes)), k))


class ClusterIndex(tf.Module):
    """Index of clusters of classes, with which a search reads only a few of the classes.

    Args:
        clusters: Clusters of the classes.
        probes: Number of clusters that a search reads. All of them make the search exact.
        spread: a in m_c + a s_c, by which clusters are chosen.
        log_factor: Logarithm of the factor of the estimated part of the normalizer.
    """

    def __init__(self, clusters: Clusters, probes: int, spread: float = 0.0, log_factor: float = 0.0) -> None:
        super().__init__()
        self.count = len(clusters.means)
        self.probes = min(probes, self.count)
        self.spread, self.log_factor = spread, log_factor
        self.members = _fixed(clusters.members, "members")
        self.starts = _fixed(clusters.starts, "starts")
        self.means = _fixed(clusters.means, "means")
        self.variances = _fixed(clusters.variances, "variances")

    def search(self, queries: tf.Tensor, rows: Rows, k: int, independent: bool = False) -> Found:
        """Find the classes with the largest logits among those of the chosen clusters.

        Args:
            queries: (batch, width) float32 vectors q; batch may be 0.
            rows: Function that returns the vectors and biases of some classes.
            k: Number of classes; at most the number of classes of any `probes` clusters.
            independent: True if the probability of a class is the sigmoid of its logit.
        """
        means, spreads = logit_moments(queries, self.means, self.variances)
        scores = means + self.spread * spreads
        chosen = tf.math.top_k(scores, self.probes, sorted=False).indices
        sizes = tf.cast(self.starts[1:] - self.starts[:-1], tf.float32)
        rest = tf.math.log(sizes) + means + tf.square(spreads) / 2 + self.log_factor
        is_read = tf.reduce_any(tf.one_hot(chosen, self.count, True, False), axis=1)
        rest = tf.reduce_logsumexp(tf.where(is_read, float("-inf"), rest), axis=1)

        def one(query: tf.Tensor, clusters: tf.Tensor, rest: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            starts, ends = tf.gather(self.starts, clusters), tf.gather(self.starts, clusters + 1)
            classes = tf.gather(self.members, tf.ragged.range(starts, ends).values)
            vectors, bias = rows(classes)
            logits = tf.linalg.matvec(vectors, query) + bias
            values, places = tf.math.top_k(logits, k)
            if independent:
                return tf.gather(classes, places), tf.sigmoid(values)
            normalizer = tf.reduce_logsumexp(tf.stack([tf.reduce_logsumexp(logits), rest]))
            return tf.gather(classes, places), tf.exp(values - normalizer)

        like = (tf.TensorSpec([k], tf.int32), tf.TensorSpec([k], tf.float32))
        given = (tf.cast(queries, tf.float32), chosen, rest)
        return Found(*tf.map_fn(lambda row: one(*row), given, parallel_iterations=_PARALLEL, fn_output_signature=like))


def logit_moments(queries: tf.Tensor, means: Any, variances: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the mean and the standard deviation of the logits of each cluster, (batch, clusters) float32 each.

    Covariances between coordinates count as 0.

    Args:
        queries: (batch, width) float32.
        means: (clusters, width + 1) float32, see `Clusters`.
        variances: (clusters, width + 1) float32, see `Clusters`.
    """
    queries, means, variances = (tf.convert_to_tensor(each) for each in (queries, means, variances))
    mean = tf.matmul(queries, means[:, :-1], transpose_b=True) + means[:, -1]
    variance = tf.matmul(tf.square(queries), variances[:, :-1], transpose_b=True) + variances[:, -1]
    return mean, tf.sqrt(variance)


def _fixed(values: NDArray[Any], name: str) -> tf.Variable:
    return tf.Variable(values, trainable=False, name=f"index_{name}")
