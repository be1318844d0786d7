"""Clustering of many points by k-means."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

# Points of the sample for each cluster, and steps of Lloyd's algorithm on the sample.
_SAMPLE, _STEPS = 64, 8
# Distances held at a time.
_DISTANCES = 1 << 24


def kmeans(points: NDArray[np.float32], clusters: int, seed: int = 0) -> NDArray[np.int32]:
    """Return the cluster of each point.

    The centers are found on a random sample of the points, and each point is assigned to its nearest center. A cluster
    may be empty in the end.

    Source: Lloyd, "Least squares quantization in PCM" (1982).

    Args:
        points: (n, width) float32.
        clusters: Number of clusters, at most n.
        seed: Seed of the sample and of the first centers.

    Returns:
        (n,) int32 numbers from 0 to `clusters` - 1.
    """
    rng = np.random.default_rng(seed)
    size = min(len(points), _SAMPLE * clusters)
    sample = points[rng.choice(len(points), size, replace=False)] if size < len(points) else points
    centers = sample[rng.choice(size, clusters, replace=False)]
    for _ in range(_STEPS):
        nearest = _nearest(sample, centers)
        counts = np.bincount(nearest, minlength=clusters)
        sums = tf.math.unsorted_segment_sum(sample, nearest, clusters).numpy()
        empty = counts == 0
        centers = sums / np.maximum(counts, 1)[:, np.newaxis].astype(np.float32)
        # An empty cluster starts again at a random point.
        centers[empty] = sample[rng.choice(size, int(empty.sum()), replace=False)]
    return _nearest(points, centers)


def _nearest(points: NDArray[np.float32], centers: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return the nearest center of each point, (n,) int32."""
    halves = tf.constant(np.square(centers).sum(axis=1) / 2)
    columns, chunk = tf.constant(centers), max(1, _DISTANCES // len(centers))
    found = [
        tf.argmax(
            tf.matmul(points[first : first + chunk], columns, transpose_b=True) - halves, axis=1, output_type=tf.int32
        ).numpy()
        for first in range(0, len(points), chunk)
    ]
    return np.concatenate(found)
