"""Exact ranks of labels among all classes, from the scores of few classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.baselines.reading import Earlier

Ints = NDArray[np.int64]

_PAIRS = 1 << 22
"""Greatest number of pairs of a label and a class in memory. A label with more pairs is processed alone."""


@dataclass(frozen=True)
class Pairs:
    """Distinct pairs of a label and a class.

    Attributes:
        labels: (m,) index of the label.
        classes: (m,) class.
    """

    labels: Ints
    classes: Ints


@dataclass(frozen=True)
class Scores(Pairs):
    """Scores of classes for labels. A class without a score has score 0.

    Attributes:
        scores: (m,) scores > 0. They are integers, so that equal scores are exactly equal.
    """

    scores: Ints


def ranks(labels: Ints, scores: Scores, places: Ints, seen: Pairs | None = None) -> Ints:
    """Return the rank of each label among all classes: by score, and among equals by place.

    Args:
        labels: (n,) classes.
        scores: Scores of some classes for each label.
        places: (classes,) place of each class among classes of equal score, from 0, each place once.
        seen: Classes that are not ranked.

    Returns:
        (n,) ranks: 1 for the class with the greatest score, classes + 1 for a label that is not ranked.
    """
    n, at, classes, values = len(labels), scores.labels, scores.classes, scores.scores
    is_label = classes == labels[at]
    own = np.zeros(n, np.int64)
    own[at[is_label]] = values[is_label]
    place = places[labels]
    if seen is not None:
        scored, removed = (pairs.labels * len(places) + pairs.classes for pairs in (scores, seen))
        ranked = np.isin(scored, removed, invert=True)
        at, classes, values = at[ranked], classes[ranked], values[ranked]
    first = places[classes] < place[at]
    before = _count(at[(values > own[at]) | ((values == own[at]) & first)], n)
    # A label without a score comes after the classes with one, and among the others by its place.
    others = place - _count(at[first], n)
    if seen is None:
        return 1 + before + np.where(own == 0, others, 0)
    others -= _count(seen.labels[places[seen.classes] < place[seen.labels]], n)
    return np.where(is_seen(labels, seen), len(places) + 1, 1 + before + np.where(own == 0, others, 0))


def unseen_ranks(labels: Ints, found: Ints, seen: Pairs, ranks_of_seen: Ints, n_classes: int) -> Ints:
    """Return the ranks of labels if the seen classes are not ranked.

    Args:
        labels: (n,) classes.
        found: (n,) ranks of the labels among all classes.
        seen: Classes that are not ranked, m pairs.
        ranks_of_seen: (m,) ranks of the seen classes among all classes.
        n_classes: Number of classes.

    Returns:
        (n,) ranks: n_classes + 1 for a label that is itself seen.
    """
    before = seen.labels[ranks_of_seen < found[seen.labels]]
    return np.where(is_seen(labels, seen), n_classes + 1, found - _count(before, len(labels)))


def is_seen(labels: Ints, seen: Pairs) -> NDArray[np.bool_]:
    """Return a mask of the labels, (n,), that are among their seen classes."""
    return _count(seen.labels[seen.classes == labels[seen.labels]], len(labels)) > 0


def seen_classes(earlier: Earlier, n_classes: int) -> Pairs:
    """Return the classes among the tokens before each label, each once."""
    labels, at = spread(earlier.starts, earlier.ends)
    classes = earlier.classes[at]
    packed = np.unique((labels * n_classes + classes)[classes >= 0])
    return Pairs(packed // n_classes, packed % n_classes)


def spread(starts: Ints, ends: Ints) -> tuple[Ints, Ints]:
    """Return all positions of ranges, one range after the other.

    Args:
        starts: (n,) first position of each range.
        ends: (n,) position after the last position of each range.

    Returns:
        (m,) index of the range of each position; (m,) positions.
    """
    sizes = ends - starts
    shift = starts - (np.cumsum(sizes) - sizes)
    return np.repeat(np.arange(len(starts)), sizes), np.arange(sizes.sum()) + np.repeat(shift, sizes)


def parts(sizes: Ints) -> Iterator[slice]:
    """Yield slices of labels, in order, that have a bounded number of pairs together; at least one slice.

    Args:
        sizes: (n,) number of pairs of each label.
    """
    total = np.append(0, np.cumsum(sizes))
    start = end = 0
    while end < len(sizes) or not end:
        end = max(start + 1, int(np.searchsorted(total, total[start] + _PAIRS, side="right")) - 1)
        yield slice(start, end)
        start = end


def _count(at: Ints, n: int) -> Ints:
    return np.bincount(at, minlength=n)
