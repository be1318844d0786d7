"""Input of every variant: the same seeded hidden vectors and labels."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from benchmarks import zipf

# Number of batches that the steps cycle through, so that a step does not find its own rows in the cache.
BATCHES = 8
# Total number of labels in the counts.
OCCURRENCES = 10_000_000


@dataclass(frozen=True)
class Problem:
    """Classes whose frequencies follow Zipf's law, p proportional to 1 / rank, and batches of hidden vectors.

    Attributes:
        classes: Number of classes.
        batch: Examples per step.
        width: Width of a hidden vector.
        negatives: Number of draws from the proposal per step, S.
        alpha: The proposal is proportional to count ** alpha.
        seed: Seed of all draws.
    """

    classes: int
    batch: int
    width: int = 128
    negatives: int = 1_024
    alpha: float = 0.75
    seed: int = 7

    @functools.cached_property
    def frequencies(self) -> np.ndarray:
        """Frequencies of the classes, (classes,) float64, the most frequent first; they sum to 1."""
        return zipf.frequencies(self.classes)

    @functools.cached_property
    def counts(self) -> np.ndarray:
        """Counts of the classes, (classes,) int64, at least 1."""
        return np.maximum(1, np.round(self.frequencies * OCCURRENCES)).astype(np.int64)

    @functools.cached_property
    def proposal(self) -> np.ndarray:
        """Proposal distribution of the negative samples, (classes,) float64; sums to 1."""
        weights = self.counts**self.alpha
        return weights / weights.sum()

    @functools.cached_property
    def hidden(self) -> np.ndarray:
        """Hidden vectors, (BATCHES, batch, width) float32, standard normal."""
        generator = np.random.default_rng(self.seed)
        return generator.standard_normal((BATCHES, self.batch, self.width), dtype=np.float32)

    @functools.cached_property
    def labels(self) -> np.ndarray:
        """Labels, (BATCHES, batch) int32."""
        uniform = np.random.default_rng(self.seed + 1).random((BATCHES, self.batch))
        return zipf.drawn(self.frequencies, uniform).astype(np.int32)

    def several_labels(self, count: int) -> np.ndarray:
        """Return the labels of rows with several distinct labels, (BATCHES, batch, count) int32, ascending in each row.

        Equal draws of a row are repeated until all labels of the row are distinct.
        """
        generator = np.random.default_rng(self.seed + 1)
        labels = zipf.drawn(self.frequencies, generator.random((BATCHES, self.batch, count))).astype(np.int32)
        while True:
            labels.sort(axis=2)
            equal = np.pad(labels[..., 1:] == labels[..., :-1], [(0, 0), (0, 0), (1, 0)])
            if not equal.any():
                return labels
            labels[equal] = zipf.drawn(self.frequencies, generator.random(equal.sum()))

    @property
    def candidates(self) -> int:
        """Expected number of distinct classes among the labels of a batch and the draws, averaged over the batches.

        A class that is not a label of the batch is drawn with probability 1 - (1 - q)^S.
        """
        drawn = -np.expm1(self.negatives * np.log1p(-self.proposal))
        found = []
        for labels in self.labels:
            own = np.unique(labels)
            found.append(len(own) + drawn.sum() - drawn[own].sum())
        return round(float(np.mean(found)))
