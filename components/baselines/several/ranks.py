"""Ranks and nats of the labels of rows, from the scores of few classes of each row.

All other classes have a base score, which does not depend on the row. Scores are integers, so that equal scores are
exactly equal and sums do not depend on the order of their terms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.baselines.ranking import Scores, spread
from components.baselines.reading import RowLabels
from components.layers.losses.names import LossName

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

NAT = 1 << 24
"""Score of one nat, of scores that are log probabilities."""
_SUREST = 1.0 - 1e-6
"""Greatest probability of a class by itself, so that no nll is infinite."""


@dataclass(frozen=True)
class Base:
    """Base score of each class.

    Attributes:
        scores: (classes,) scores; no class has a greater score than one at an earlier place.
        places: (classes,) place of each class among classes of equal score, from 0, each place once.
    """

    scores: Ints
    places: Ints

    @property
    def falling(self) -> Ints:
        """Scores by place, (classes,), the greatest first."""
        falling = np.empty_like(self.scores)
        falling[self.places] = self.scores
        return falling


NO_SCORES = Scores(*(np.zeros(0, np.int64) for _ in range(3)))
"""Scores of rows whose classes all have their base score."""


@dataclass(frozen=True)
class _Compared:
    """Scores of the classes that are compared with each label.

    Attributes:
        own: (n,) score of each label.
        at: (m,) index of the label.
        entry: (m,) index of the score.
    """

    own: Ints
    at: Ints
    entry: Ints


def row_ranks(batch: RowLabels, scores: Scores, base: Base) -> Ints:
    """Return the rank of each label, (n,), among all classes: by score, and among equals by place.

    Args:
        batch: Rows with n known labels.
        scores: Scores of some classes of each row, in ascending order of the rows.
        base: Scores of all other classes.
    """
    with_labels = _compared(batch, scores, base)
    own, at, value = with_labels.own, with_labels.at, scores.scores[with_labels.entry]
    place, other = base.places[batch.labels], base.places[scores.classes[with_labels.entry]]
    before = _count(at[(value > own[at]) | ((value == own[at]) & (other < place[at]))], len(own))
    # The classes with a greater base score, or with an equal one at an earlier place, less those with a score.
    falling = -base.falling
    reach = np.clip(place, np.searchsorted(falling, -own, "left"), np.searchsorted(falling, -own, "right"))
    return 1 + before + reach - _count(at[other < reach[at]], len(own))


class Nats:
    """Nll of labels under scores that are log probabilities but for a constant of the row.

    For the loss "softmax", p sums to 1 over the classes. For "sigmoid", a class by itself has the probability m p,
    where m is the mean number of labels of a row. The expected number of labels is then m, too.

    Args:
        base: Log probabilities of the classes if the row has no scores, in units of 1 / `NAT`.
        loss: Loss of the model.
        mean_labels: m.
    """

    def __init__(self, base: Base, loss: LossName, mean_labels: float) -> None:
        self._base, self._loss, self._mean = base, loss, mean_labels
        # Few distinct probabilities stand for all classes, since classes with equal counts have the same.
        values, self._classes = np.unique(base.scores, return_counts=True)
        self._distinct = np.exp(values / NAT)

    def of(self, batch: RowLabels, scores: Scores) -> Floats:
        """Return the nats of each label, (n,), as `several_values` takes them.

        Args:
            batch: Rows with n known labels.
            scores: Scores of some classes of each row, in ascending order of the rows.
        """
        own = _compared(batch, scores, self._base).own / NAT
        log_total = self._log_totals(batch.n_rows, scores)
        if self._loss == "softmax":
            return log_total[batch.rows] - own
        label = self._alone(np.exp(own - log_total[batch.rows]))
        entropy = self._cost_of_all(scores, log_total)
        entropy += np.bincount(batch.rows, np.log1p(-label) - np.log(label), batch.n_rows)
        return (entropy / np.maximum(np.bincount(batch.rows, minlength=batch.n_rows), 1))[batch.rows]

    def _log_totals(self, n_rows: int, scores: Scores) -> Floats:
        """Return the log of the sum of exp(score) over all classes, (n_rows,)."""
        at, value, base = scores.labels, scores.scores / NAT, self._base.scores[scores.classes] / NAT
        rest = np.maximum(0.0, 1.0 - np.bincount(at, np.exp(base), n_rows))
        greatest = np.zeros(n_rows)
        np.maximum.at(greatest, at, value)
        total = rest * np.exp(-greatest) + np.bincount(at, np.exp(value - greatest[at]), n_rows)
        return greatest + np.log(total)

    def _cost_of_all(self, scores: Scores, log_total: Floats) -> Floats:
        """Return the sum of -log(1 - m p) over all classes, (n_rows,)."""
        at = scores.labels
        base = np.exp(self._base.scores[scores.classes] / NAT - log_total[at])
        other = self._cost(base) - self._cost(np.exp(scores.scores / NAT - log_total[at]))
        all_base = self._cost(np.exp(-log_total)[:, np.newaxis] * self._distinct) @ self._classes
        return all_base - np.bincount(at, other, len(log_total))

    def _cost(self, p: Floats) -> Floats:
        return -np.log1p(-self._alone(p))

    def _alone(self, p: Floats) -> Floats:
        return np.clip(self._mean * p, 1e-300, _SUREST)


def _compared(batch: RowLabels, scores: Scores, base: Base) -> _Compared:
    starts = np.searchsorted(scores.labels, np.arange(batch.n_rows + 1))
    at, entry = spread(starts[batch.rows], starts[batch.rows + 1])
    own = base.scores[batch.labels]
    is_label = scores.classes[entry] == batch.labels[at]
    own[at[is_label]] = scores.scores[entry[is_label]]
    return _Compared(own, at, entry)


def _count(at: Ints, n: int) -> Ints:
    return np.bincount(at, minlength=n)
