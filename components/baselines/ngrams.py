"""Counting baselines of a class label: counted on the train split, measured on the test split."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.baselines.counting import KeyCounts, packed, sum_by_key
from components.baselines.kneser_ney import KneserNey
from components.baselines.reading import Encoder, Labels
from components.ingest.spec import Shape
from components.metrics.bands import BANDS, BandSpec
from components.metrics.rows import row_sums
from components.metrics.targets import BaselineName, Target


class Baselines:
    """Counting baselines of a label that is a class.

    Usage: Call `count` for every batch of the train split, `estimate` once, `measure` for every batch of the test
    split, then `summary`.

    Args:
        shape: The shape of the data.
        target: The label's `Target`.
        encoder: Encoder of rows as labels and contexts.
        bands: The bands of labels.
        most: N-grams to keep of each length. None: all.
    """

    def __init__(
        self, shape: Shape, target: Target, encoder: Encoder, bands: BandSpec, most: int | None = None
    ) -> None:
        self._target, self._names, self._most = target, target.baselines, most
        self._continuation = shape == "sequence"
        self._encoder, self._bands = encoder, bands
        self._counts = KeyCounts()
        self._models: dict[BaselineName, KneserNey] = {}
        self._totals = {name: np.zeros(len(target.sum_names)) for name in self._names}
        self._train = {"rows": 0, "labels": 0, "known": 0}
        self._test_rows = 0

    def count(self, labels: Labels) -> None:
        """Count a batch of the train split. A label outside the vocabulary counts as context, not as a class."""
        known = labels.labels >= 0
        self._train["rows"] += labels.n_rows
        self._train["labels"] += len(known)
        self._train["known"] += int(known.sum())
        sizes = self._encoder.contexts, self._encoder.classes
        self._counts.add(packed(labels.contexts[known], labels.labels[known], *sizes))

    def estimate(self) -> None:
        """Estimate the models from the counts.

        Raises:
            ValueError: No label of the train split is in the vocabulary.
        """
        keys, counts = self._counts.result()
        for name, order in zip(reversed(self._names), range(self._encoder.order, 0, -1), strict=True):
            self._models[name] = KneserNey(
                keys,
                counts,
                order=order,
                n_contexts=self._encoder.contexts,
                n_classes=self._encoder.classes,
                continuation=self._continuation,
                most=self._most,
            )
            if order > 1:
                shorter = self._encoder.contexts ** (order - 2) * self._encoder.classes
                keys, counts = sum_by_key(keys % shorter, counts)

    def measure(self, labels: Labels) -> dict[BaselineName, NDArray[np.float64]]:
        """Return the sums of each row of a test batch: (rows, len(target.sum_names)) for each baseline."""
        known = np.flatnonzero(labels.labels >= 0)
        result: dict[BaselineName, NDArray[np.float64]] = {}
        for name in self._names:
            nll = np.zeros(len(labels.labels))
            rank = np.zeros(len(labels.labels), np.int64)
            nll[known], rank[known] = self._models[name].score(labels.contexts[known], labels.labels[known])
            values = {"label": labels.labels, "nll": nll, "rank": rank}
            sums = row_sums(self._target.sums, values, labels.rows, labels.n_rows, bands=self._bands)
            self._totals[name] += sums.sum(axis=0)
            result[name] = sums
        self._test_rows += labels.n_rows
        return result

    def summary(self) -> dict[str, Any]:
        """Return the contents of `baselines.json`, with metrics over all test rows measured so far.

        Raises:
            ValueError: No label was measured, since the test split is empty.
        """
        target = self._target
        test = target.measured(self._totals["popular"])
        if not test["count"]:
            raise ValueError(
                "the test split holds no label to measure: give data.splits.test a larger share, or bring more rows"
            )
        return {
            "examples": {
                "train": self._train,
                "test": {"rows": self._test_rows, "labels": int(test["count"]), "known": int(test["known"])},
            },
            "metrics": {name: finite(target.measured(total)) for name, total in self._totals.items()},
            "bands": {
                name: {band: finite(target.measured(total, band)) for band in BANDS}
                for name, total in self._totals.items()
            },
            "discounts": {name: model.discounts for name, model in self._models.items()},
        }


def finite(metrics: dict[str, float]) -> dict[str, float | None]:
    """Return metrics with None in place of a value that is not finite, which JSON does not have."""
    return {name: value if np.isfinite(value) else None for name, value in metrics.items()}
