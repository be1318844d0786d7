"""Counting baselines of a class label: counted on the train split, measured on the test split."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.baselines.counting import KeyCounts, packed, sum_by_key
from components.baselines.models.cooccurrence import SUCCESSORS, WINDOW, Cooccurrence
from components.baselines.models.history import LATEST, repeat
from components.baselines.models.kneser_ney import KneserNey
from components.baselines.ranking import parts, ranks, seen_classes, unseen_ranks
from components.baselines.reading import Earlier, Encoder, Labels
from components.baselines.results import refuse_empty
from components.ingest.spec import Shape
from components.metrics.bands import BANDS, BandSpec
from components.metrics.definitions import WEIGHT
from components.metrics.rows import row_sums
from components.metrics.targets import RANKING_ONLY, BaselineName, Target

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_MOST_SCORES: dict[BaselineName, int] = {"cooccurrence": WINDOW * SUCCESSORS, "history": LATEST}
"""Greatest number of classes that have a score for one label, by baseline."""


class Baselines:
    """Counting baselines of a label that is a class.

    Usage: Call `count` for every batch of the train split, `estimate` once, `measure` for every batch of the test
    split, then `summary`.

    Args:
        shape: Shape of the data.
        target: The label's `Target`.
        encoder: Encoder of rows as labels and contexts.
        bands: Bands of labels.
        exclude_seen: True to remove the classes among the tokens before a label from its ranking. A label that is one
            of them is a miss. The nll remains over all classes.
        most: Number of n-grams to keep of each length. None: all.
    """

    def __init__(
        self,
        shape: Shape,
        target: Target,
        encoder: Encoder,
        bands: BandSpec,
        exclude_seen: bool = False,
        most: int | None = None,
    ) -> None:
        self._target, self._exclude_seen, self._most = target, exclude_seen, most
        self._ngrams: list[BaselineName] = [name for name in target.baselines if name not in RANKING_ONLY]
        self._ranking: list[BaselineName] = [name for name in target.baselines if name in RANKING_ONLY]
        self._continuation = shape == "sequence"
        self._encoder, self._bands = encoder, bands
        self._counts = KeyCounts()
        self._models: dict[BaselineName, KneserNey] = {}
        # An id above those of the vocabulary stands for several tokens, or for none.
        self._pairs = Cooccurrence(encoder.contexts - 2, encoder.classes, symmetric=shape == "sequence")
        self._totals = {name: np.zeros(len(target.stored_names)) for name in target.baselines}
        self._train = {"rows": 0, "labels": 0, "known": 0}
        self._test_rows = 0

    def read(self, records: list[bytes]) -> Labels:
        """Return the labels of serialized tf.Examples."""
        return self._encoder(records)

    def count(self, labels: Labels) -> None:
        """Count a batch of the train split. A label outside the vocabulary counts as context, not as a class."""
        known = labels.labels >= 0
        self._train["rows"] += labels.n_rows
        self._train["labels"] += len(known)
        self._train["known"] += int(known.sum())
        sizes = self._encoder.contexts, self._encoder.classes
        self._counts.add(packed(labels.contexts[known], labels.labels[known], *sizes))
        if "cooccurrence" in self._ranking:
            self._pairs.count(labels.labels, labels.earlier)

    def estimate(self) -> None:
        """Estimate the models from the counts.

        Raises:
            ValueError: No label of the train split is in the vocabulary.
        """
        keys, counts = self._counts.result()
        for name, order in zip(reversed(self._ngrams), range(self._encoder.order, 0, -1), strict=True):
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
        if "cooccurrence" in self._ranking:
            self._pairs.estimate(self._models["popular"].places)

    def measure(self, labels: Labels) -> dict[BaselineName, NDArray[np.float64]]:
        """Return the sums of each row of a test batch: (rows, len(target.stored_names)) for each baseline."""
        known = np.flatnonzero(labels.labels >= 0)
        result: dict[BaselineName, NDArray[np.float64]] = {}
        for name, (nll_of_known, rank_of_known) in self._measured(labels.take(known)).items():
            nll = np.zeros(len(labels.labels))
            rank = np.zeros(len(labels.labels), np.int64)
            nll[known], rank[known] = nll_of_known, rank_of_known
            values: dict[str, NDArray] = {"label": labels.labels, "nll": nll, "rank": rank}
            if labels.weights is not None:
                values[WEIGHT] = labels.weights
            sums = row_sums(self._target.sums, values, labels.rows, labels.n_rows, bands=self._bands)
            self._totals[name] += sums.sum(axis=0)
            result[name] = sums
        self._test_rows += labels.n_rows
        return result

    def _measured(self, labels: Labels) -> dict[BaselineName, tuple[Floats, Ints]]:
        """Return nats and ranks of known labels, (n,) each, by baseline. A baseline that only ranks has NaN nats."""
        found = [dict(self._of_part(labels.take(part))) for part in parts(self._sizes(labels.earlier))]
        return {
            name: (np.concatenate([of[name][0] for of in found]), np.concatenate([of[name][1] for of in found]))
            for name in self._target.baselines
        }

    def _of_part(self, labels: Labels) -> Iterator[tuple[BaselineName, tuple[Floats, Ints]]]:
        """Yield each baseline with the nats and ranks of known labels whose pairs fit into memory together."""
        classes, wanted = self._encoder.classes, labels.labels
        seen = seen_classes(labels.earlier, classes) if self._exclude_seen else None
        for name, model in self._models.items():
            nll, rank = model.score(labels.contexts, wanted)
            if seen is not None:
                others = model.score(labels.contexts[seen.labels], seen.classes)[1]
                rank = unseen_ranks(wanted, rank, seen, others, classes)
            yield name, (nll, rank)
        for name in self._ranking:
            scores = self._pairs.scores(labels.earlier) if name == "cooccurrence" else repeat(labels.earlier, classes)
            yield name, (np.full(len(wanted), np.nan), ranks(wanted, scores, self._models["popular"].places, seen))

    def _sizes(self, earlier: Earlier) -> Ints:
        """Return a bound on the classes that are compared with each label, (n,)."""
        sizes = earlier.ends - earlier.starts if self._exclude_seen else np.zeros_like(earlier.ends)
        return np.maximum(sizes, max([1, *(most for name, most in _MOST_SCORES.items() if name in self._ranking)]))

    def summary(self) -> dict[str, Any]:
        """Return the contents of `baselines.json`, with metrics over all test rows measured so far.

        Raises:
            ValueError: No label was measured, since the test split is empty.
        """
        target = self._target
        test = target.measured(self._totals["popular"])
        refuse_empty(test["count"])
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
