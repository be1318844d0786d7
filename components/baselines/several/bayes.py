"""Naive Bayes over the input tokens of a row, with smoothed token probabilities.

    score(c | x) = log P(c) + sum over tokens t of x of  log((1 - L) P(t) + L P(t | c)) - log P(t)
                 = log P(c) + sum of  log(1 - L + L r(t, c)),    r(t, c) = P(t | c) / P(t)

P(c) is the share of class c among the labels, P(t | c) the share of token t among the tokens of the rows with the label
c, and P(t) its share among all tokens, where a row counts once for each label. The mixture with P(t) gives a token that
was never seen with a class a probability. Sources: McCallum, Nigam, "A Comparison of Event Models for Naive Bayes Text
Classification" (1998), the multinomial model; Zhai, Lafferty, "A Study of Smoothing Methods for Language Models Applied
to Ad Hoc Information Retrieval" (2001), the Jelinek-Mercer smoothing.

For each token, only the `KEPT` classes with the greatest gain c(t, c) log r(t, c) keep their own r(t, c). All other
classes share one r(t), that of their pooled counts. So the scores of a row differ from a constant in few classes only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.baselines.counting import KeyCounts, sum_by_key
from components.baselines.ranking import Scores, spread
from components.baselines.reading import Earlier, RowLabels
from components.baselines.several.ranks import NAT, Base

Ints = NDArray[np.int64]

KEPT = 100
"""Greatest number of classes with a count of their own for each token."""
PAIRS = 1 << 23
"""Greatest number of distinct pairs to hold. Above it, rare pairs are dropped while counting."""
LAMBDA = 0.5
"""L: weight of the tokens of a class in the mixture with all tokens."""
LATEST = 200
"""Greatest number of tokens of a row that count: the last ones."""


class NaiveBayes:
    """Counter of pairs of a token and a label, with the scores of classes.

    Usage: Call `count` for every batch of the train split, `estimate` once, then `scores`.

    Args:
        n_tokens: Number of token ids, in [0, n_tokens). A greater id is no token of the vocabulary.
        n_classes: Number of classes.
    """

    def __init__(self, n_tokens: int, n_classes: int) -> None:
        self._n_tokens, self._n_classes = n_tokens, n_classes
        self._pairs = KeyCounts(limit=PAIRS)
        self._tokens, self._classes = np.zeros(n_tokens, np.int64), np.zeros(n_classes, np.int64)

    def count(self, batch: RowLabels) -> None:
        """Count the pairs of the tokens and the known labels of rows."""
        at, tokens = self._tokens_of(batch.inputs.take(batch.rows))
        known = batch.labels[at] >= 0
        tokens, classes = tokens[known], batch.labels[at][known]
        self._pairs.add(tokens * self._n_classes + classes)
        self._tokens += np.bincount(tokens, minlength=self._n_tokens)
        self._classes += np.bincount(classes, minlength=self._n_classes)

    def estimate(self, base: Base) -> None:
        """Compute the weight of each kept pair.

        Args:
            base: log P(c) in units of 1 / `NAT`.
        """
        keys, counts = self._pairs.result()
        self._pairs, self._base = KeyCounts(), base
        tokens, classes = keys // self._n_classes, keys % self._n_classes
        total = max(1, self._tokens.sum())
        ratio = counts / self._tokens[tokens] * (total / self._classes[classes])
        order = np.lexsort((base.places[classes], -counts * np.log(ratio), tokens))
        starts = np.searchsorted(tokens, np.arange(self._n_tokens + 1))  # The same before and after the sort.
        kept = order[np.arange(len(tokens)) - starts[tokens] < KEPT]
        tokens, classes, counts, ratio = tokens[kept], classes[kept], counts[kept], ratio[kept]
        rest = self._tokens - np.bincount(tokens, counts, self._n_tokens)
        rest_of_all = total - np.bincount(tokens, self._classes[classes], self._n_tokens)
        pooled = rest / np.maximum(self._tokens, 1) * (total / np.maximum(rest_of_all, 1))
        weights = np.log1p(LAMBDA * (ratio - 1.0)) - np.log1p(LAMBDA * (pooled - 1.0))[tokens]
        self._starts = np.searchsorted(tokens, np.arange(self._n_tokens + 1))
        self._kept, self._weights = classes, np.rint(NAT * weights).astype(np.int64)

    def scores(self, inputs: Earlier) -> Scores:
        """Return the scores of the classes that differ from the others, for rows with the given tokens."""
        at, tokens = self._tokens_of(inputs)
        pair, entry = spread(self._starts[tokens], self._starts[tokens + 1])
        packed, sums = sum_by_key(at[pair] * self._n_classes + self._kept[entry], self._weights[entry])
        classes = packed % self._n_classes
        return Scores(packed // self._n_classes, classes, self._base.scores[classes] + sums)

    def sizes(self, inputs: Earlier) -> Ints:
        """Return a bound on the number of scores of each row."""
        return np.minimum(inputs.ends - inputs.starts, LATEST) * KEPT

    def _tokens_of(self, inputs: Earlier) -> tuple[Ints, Ints]:
        """Return the index of the row of each token in the vocabulary, and the token, (m,) each."""
        at, place = spread(np.maximum(inputs.starts, inputs.ends - LATEST), inputs.ends)
        tokens = inputs.items[place]
        known = tokens < self._n_tokens
        return at[known], tokens[known]
