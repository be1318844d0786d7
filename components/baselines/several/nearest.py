"""Nearest rows of the train split, by the cosine of their tokens with inverse document frequencies as weights.

    sim(x, y) = sum over t in both of idf(t)^2 / (|x| |y|),    idf(t) = log(1 + R / df(t)),  |y|^2 = sum idf(t)^2
    score(c | x) = sum of sim(x, y) over the `NEIGHBORS` rows y with the greatest sim that have the label c

R is the number of rows y, and df(t) the number of them with token t. Classes without a score follow by popularity.
Sources: Salton, Buckley, "Term-weighting Approaches in Automatic Text Retrieval" (1988); Yang, "An Evaluation of
Statistical Approaches to Text Categorization" (1999), k nearest neighbors.

The rows y are a uniform sample of the train split. The similarity reads the rarest tokens of x, as long as they are in
at most `CANDIDATES` rows together, and at least the rarest one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.baselines.counting import sum_by_key
from components.baselines.ranking import Scores, spread
from components.baselines.reading import Earlier, RowLabels

Ints = NDArray[np.int64]

SAMPLE = 100_000
"""Greatest number of rows of the train split to hold."""
NEIGHBORS = 50
"""Number of rows whose labels count."""
CANDIDATES = 1_000
"""Greatest number of rows, with repetitions, that are compared with one row."""
LATEST = 100
"""Greatest number of tokens of a row to read: the last ones."""
_ONE = 1 << 30
"""Similarity 1 as an integer. Integer sums do not depend on the order of their terms."""
_SEED = 0


class Nearest:
    """Sample of the train rows, with the scores of classes.

    Usage: Call `count` for every batch of the train split, `estimate` once, then `scores`.

    Args:
        n_tokens: Number of token ids, in [0, n_tokens). A greater id is no token of the vocabulary.
        n_classes: Number of classes.
    """

    def __init__(self, n_tokens: int, n_classes: int) -> None:
        self._n_tokens, self._n_classes = n_tokens, n_classes
        self._random = np.random.default_rng(_SEED)
        # Each row has a random number, and the rows with the smallest numbers are the sample.
        self._drawn: list[NDArray[np.float64]] = []
        self._held: list[tuple[Ints, Ints, Ints, Ints]] = []
        self._waiting, self._limit = 0, 1.0

    def count(self, batch: RowLabels) -> None:
        """Add rows to the sample. Rows without a known label are not added."""
        known = batch.labels >= 0
        sizes = np.bincount(batch.rows[known], minlength=batch.n_rows)
        drawn = self._random.random(batch.n_rows)
        kept = (sizes > 0) & (drawn < self._limit)
        at, tokens = self._tokens_of(batch.inputs.take(np.flatnonzero(kept)))
        self._drawn.append(drawn[kept])
        of_kept = known & kept[batch.rows]
        number = np.bincount(at, minlength=int(kept.sum()))
        self._held.append((number, tokens, sizes[kept], batch.labels[of_kept]))
        self._waiting += int(kept.sum())
        if self._waiting > 2 * SAMPLE:
            self._prune()

    def estimate(self) -> None:
        """Index the rows by token."""
        self._prune()
        number, tokens, sizes, self._labels = self._held.pop() if self._held else (np.zeros(0, np.int64),) * 4
        n_rows = len(number)
        rows = np.repeat(np.arange(n_rows), number)
        frequency = np.bincount(tokens, minlength=self._n_tokens)
        self._squares = np.log1p(n_rows / np.maximum(frequency, 1)) ** 2
        norms = np.sqrt(np.bincount(rows, self._squares[tokens], n_rows))
        order = np.argsort(tokens, kind="stable")
        self._rows = rows[order]
        self._tokens = np.append(0, np.cumsum(frequency))
        self._norms = norms
        self._ends = np.append(0, np.cumsum(sizes))

    def scores(self, inputs: Earlier) -> Scores:
        """Return the scores of classes for rows with the given tokens."""
        n_rows = max(1, len(self._norms))
        at, tokens = self._rarest(*self._tokens_of(inputs))
        start = self._tokens[tokens]
        pair, entry = spread(start, np.minimum(self._tokens[tokens + 1], start + CANDIDATES))
        found = self._rows[entry]
        terms = np.rint(_ONE * self._squares[tokens][pair] / self._norms[found]).astype(np.int64)
        packed, similarity = sum_by_key(at[pair] * n_rows + found, terms)
        row = packed // n_rows
        order = np.lexsort((-similarity, row))  # Stable: among equals, the earlier row comes first.
        starts = np.searchsorted(row, np.arange(len(inputs.starts) + 1))
        chosen = order[np.arange(len(row)) - starts[row] < NEIGHBORS]
        neighbor, label = spread(self._ends[packed[chosen] % n_rows], self._ends[packed[chosen] % n_rows + 1])
        chosen = chosen[neighbor]
        keys, sums = sum_by_key(row[chosen] * self._n_classes + self._labels[label], similarity[chosen])
        return Scores(keys // self._n_classes, keys % self._n_classes, np.maximum(1, sums))

    def _rarest(self, at: Ints, tokens: Ints) -> tuple[Ints, Ints]:
        """Return the tokens to read, with the index of their row, the rarest first."""
        frequency = self._tokens[tokens + 1] - self._tokens[tokens]
        at, tokens, frequency = (each[frequency > 0] for each in (at, tokens, frequency))
        order = np.lexsort((tokens, frequency, at))
        at, tokens, frequency = at[order], tokens[order], frequency[order]
        total = np.cumsum(frequency)
        first = np.flatnonzero(np.diff(at, prepend=-1))
        of_row = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(at))))
        within = total - (total - frequency)[first][of_row]
        kept = within <= CANDIDATES
        kept[first] = True
        return at[kept], tokens[kept]

    def _prune(self) -> None:
        """Join the held rows, and drop all but those of the sample."""
        if not self._held:
            return
        drawn = np.concatenate(self._drawn)
        number, tokens, sizes, labels = (np.concatenate(of) for of in zip(*self._held, strict=True))
        if len(drawn) > SAMPLE:
            self._limit = np.partition(drawn, SAMPLE)[SAMPLE]
            kept = drawn < self._limit
            tokens, labels = tokens[np.repeat(kept, number)], labels[np.repeat(kept, sizes)]
            drawn, number, sizes = drawn[kept], number[kept], sizes[kept]
        self._drawn, self._held, self._waiting = [drawn], [(number, tokens, sizes, labels)], len(drawn)

    def _tokens_of(self, inputs: Earlier) -> tuple[Ints, Ints]:
        """Return the index of the row of each distinct token in the vocabulary, and the token, (m,) each."""
        at, place = spread(np.maximum(inputs.starts, inputs.ends - LATEST), inputs.ends)
        tokens = inputs.items[place]
        known = tokens < self._n_tokens
        packed = np.unique(at[known] * self._n_tokens + tokens[known])
        return packed // self._n_tokens, packed % self._n_tokens
