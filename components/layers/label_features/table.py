"""Features of the ids of a vocabulary as arrays. Requires only NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Bag:
    """Entries of a feature for each id, as compressed sparse rows.

    They are the words of a text, one value of a category, or the range of a number.

    Attributes:
        starts: (ids + 1,) index of the first entry of each id, followed by the number of entries.
        entries: (n,) integers below `size`.
        size: Number of distinct entries.
    """

    starts: Ints
    entries: Ints
    size: int

    @classmethod
    def of(cls, entries: Sequence[Sequence[int]], size: int) -> Bag:
        """Return the bag of a list of entries for each id.

        Args:
            entries: Entries of each id. An id without a value has none.
            size: Number of distinct entries.
        """
        starts = np.cumsum([0, *map(len, entries)], dtype=np.int64)
        return cls(starts, np.fromiter((e for of_id in entries for e in of_id), np.int64, starts[-1]), size)

    def followed_by(self, others: int) -> Bag:
        """Return the bag with further ids, which have no entries."""
        return replace(self, starts=np.append(self.starts, np.repeat(self.starts[-1], others)))


@dataclass(frozen=True)
class FeatureTable:
    """Features of each id.

    Attributes:
        counts: (ids,) occurrences of each id in the train split. An id without occurrences has no vector of its own.
        numbers: (ids, n) float32 standardized numbers; 0, the mean, where an id has no value. n may be 0.
        bags: Categories, texts and ranges of numbers, by name.
    """

    counts: Ints
    numbers: NDArray[np.float32]
    bags: Mapping[str, Bag] = field(default_factory=dict)

    @property
    def ids(self) -> int:
        """Number of ids."""
        return len(self.counts)

    def followed_by(self, others: int) -> FeatureTable:
        """Return the table with further ids without features. They count as the most frequent ids."""
        return FeatureTable(
            np.append(self.counts, np.repeat(self.counts.max(), others)),
            np.pad(self.numbers, [(0, others), (0, 0)]),
            {name: bag.followed_by(others) for name, bag in self.bags.items()},
        )
