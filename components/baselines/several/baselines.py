"""Counting baselines of rows with several labels: counted on the train split, measured on the test split."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.baselines.models.history import LATEST, repeat
from components.baselines.models.kneser_ney import KneserNey
from components.baselines.ngrams import finite
from components.baselines.ranking import parts
from components.baselines.reading import Encoder, RowLabels
from components.baselines.results import refuse_empty
from components.baselines.several.bayes import NaiveBayes
from components.baselines.several.nearest import CANDIDATES, Nearest
from components.baselines.several.ranks import NAT, NO_SCORES, Base, Nats, row_ranks
from components.layers.classes.propensity import inverse_propensities
from components.layers.losses.names import LossName
from components.metrics.bands import BANDS, BandSpec
from components.metrics.definitions import WEIGHT
from components.metrics.rows import row_sums
from components.metrics.several.values import several_values
from components.metrics.targets import BaselineName, Target

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class SeveralBaselines:
    """Counting baselines of rows that may have several labels.

    `popular` ranks the classes by their frequency. `history` ranks the classes among the row's inputs first, `bayes` is
    a naive Bayes model of the inputs, and `nearest` takes the labels of similar rows.

    Usage: Call `count` for every batch of the train split, `estimate` once, `measure` for every batch of the test
    split, then `summary`.

    Args:
        target: The label's `Target`.
        encoder: Encoder of rows.
        bands: Bands of labels.
        loss: Loss of the model, which determines the nll of a baseline with probabilities.
    """

    def __init__(self, target: Target, encoder: Encoder, bands: BandSpec, loss: LossName = "softmax") -> None:
        self._target, self._encoder, self._bands = target, encoder, bands
        self._loss: LossName = loss
        self._counts = np.zeros(encoder.classes, np.int64)
        # Ids above those of the vocabulary stand for other tokens, and for none.
        sizes = encoder.contexts - 2, encoder.classes
        self._bayes, self._nearest = NaiveBayes(*sizes), Nearest(*sizes)
        self._totals = {name: np.zeros(len(target.stored_names)) for name in target.baselines}
        self._train = {"rows": 0, "labels": 0, "known": 0}
        self._labeled_rows = self._test_rows = 0

    def read(self, records: list[bytes]) -> RowLabels:
        """Return the labels and inputs of serialized tf.Examples."""
        return self._encoder.several(records)

    def count(self, batch: RowLabels) -> None:
        """Count a batch of the train split."""
        known = batch.labels >= 0
        self._train["rows"] += batch.n_rows
        self._train["labels"] += len(known)
        self._train["known"] += int(known.sum())
        self._labeled_rows += len(np.unique(batch.rows))
        self._counts += np.bincount(batch.labels[known], minlength=len(self._counts))
        self._bayes.count(batch)
        self._nearest.count(batch)

    def estimate(self) -> None:
        """Estimate the models from the counts.

        Raises:
            ValueError: No label of the train split is in the vocabulary.
        """
        classes = np.arange(len(self._counts))
        seen = self._counts > 0
        self._popular = KneserNey(
            classes[seen], self._counts[seen], order=1, n_contexts=1, n_classes=len(classes), continuation=False
        )
        log_shares = np.log(self._popular.probabilities(np.zeros(0, np.int64)))
        self._prior = Base(np.rint(NAT * log_shares).astype(np.int64), self._popular.places)
        self._none = Base(np.zeros_like(classes), self._popular.places)
        self._nats = Nats(self._prior, self._loss, self._train["known"] / self._labeled_rows)
        self._inverse = inverse_propensities(self._counts, self._labeled_rows)
        self._bayes.estimate(self._prior)
        self._nearest.estimate()

    def measure(self, batch: RowLabels) -> dict[BaselineName, Floats]:
        """Return the sums of each Example of a test batch: (n, len(target.stored_names)) for each baseline."""
        known = batch.known
        found = [dict(self._of_part(known.take_rows(part))) for part in parts(self._sizes(batch))]
        is_known = batch.labels >= 0
        result: dict[BaselineName, Floats] = {}
        for name in self._target.baselines:
            nll, rank = np.zeros(len(batch.labels)), np.zeros(len(batch.labels), np.int64)
            nll[is_known] = np.concatenate([of[name][0] for of in found])
            rank[is_known] = np.concatenate([of[name][1] for of in found])
            values = several_values(batch.labels, batch.rows, nll, rank, self._inverse, batch.n_rows)
            if batch.weights is not None:
                values[WEIGHT] = batch.weights
            sums = row_sums(self._target.sums, values, batch.rows, batch.n_rows, bands=self._bands)
            self._totals[name] += sums.sum(axis=0)
            result[name] = batch.by_record(sums)
        self._test_rows += batch.n_rows
        return result

    def _of_part(self, batch: RowLabels) -> Iterator[tuple[BaselineName, tuple[Floats, Ints]]]:
        """Yield each baseline with the nats and ranks of the known labels of some rows, (n,) each.

        A baseline that only ranks has NaN nats.
        """
        for name in self._target.baselines:
            nats, base, scores = None, self._prior, NO_SCORES
            if name == "popular":
                nats = self._nats
            elif name == "bayes":
                nats, scores = self._nats, self._bayes.scores(batch.inputs)
            elif name == "history":
                base, scores = self._none, repeat(batch.inputs, self._encoder.classes)
            else:
                base, scores = self._none, self._nearest.scores(batch.inputs)
            nll = np.full(len(batch.labels), np.nan) if nats is None else nats.of(batch, scores)
            yield name, (nll, row_ranks(batch, scores, base))

    def _sizes(self, batch: RowLabels) -> Ints:
        """Return a bound on the classes that are compared with all labels of each row, (n_rows,)."""
        most = np.maximum(self._bayes.sizes(batch.inputs), max(CANDIDATES, LATEST))
        return most * np.maximum(1, np.bincount(batch.rows, minlength=batch.n_rows))

    def summary(self) -> dict[str, Any]:
        """Return the contents of `baselines.json`, with metrics over all test rows measured so far.

        Raises:
            ValueError: No label was measured, since the test split is empty.
        """
        target = self._target
        test = target.measured(self._totals["popular"])
        refuse_empty(test["count"])
        numbers = {"rows": self._test_rows, "labels": int(test["labels"]), "known": int(test["labels_known"])}
        return {
            "examples": {"train": self._train, "test": numbers},
            "metrics": {name: finite(target.measured(total)) for name, total in self._totals.items()},
            "bands": {
                name: {band: finite(target.measured(total, band)) for band in BANDS}
                for name, total in self._totals.items()
            },
            "discounts": {"popular": self._popular.discounts},
        }
