"""Tables of a Kneser-Ney model from n-gram counts, pruned to a number of n-grams."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.baselines.counting import sum_by_key
from components.layers.mixture.tables import Ngrams, Tables

Ints = NDArray[np.int64]


def tables_of(
    keys: Ints,
    counts: Ints,
    *,
    order: int,
    n_contexts: int,
    n_classes: int,
    continuation: bool = True,
    most: int | None = None,
) -> Tables:
    """Count the n-grams of all lengths from those of the greatest length.

    Pruning keeps, of each length above 1, the `most` n-grams with the highest counts. Of equal counts it keeps those in
    rarer contexts, where an n-gram differs more from the prediction of the shorter n-grams. Discounts and counts of
    shorter n-grams are those of the whole table, because pruning removes no n-gram from the continuations.

    Args:
        keys: (n,) distinct n-grams, ascending, packed by `counting.packed`.
        counts: (n,) occurrences of each n-gram, > 0.
        order: 1 (popularity alone), 2 (bigrams) or 3 (trigrams).
        n_contexts: Context ids are in [0, n_contexts).
        n_classes: Label ids are in [0, n_classes).
        continuation: Lower orders count continuations. If False, they count occurrences.
        most: Number of n-grams to keep of each length. None: all.

    Raises:
        ValueError: No n-gram was counted, or `order` is not 1, 2 or 3.
    """
    if order not in (1, 2, 3):
        raise ValueError(f"order must be 1, 2 or 3, not {order}")
    if not len(keys):
        raise ValueError("no label of the train split is in the label vocabulary: nothing to count")
    orders: list[Ngrams] = []
    for length in range(order - 1, 0, -1):
        orders.insert(0, _ngrams(keys, counts, n_classes, most))
        shorter = keys % (n_contexts ** (length - 1) * n_classes)
        keys, counts = sum_by_key(shorter, np.ones_like(counts) if continuation else counts)
    unigrams = np.zeros(n_classes, np.int64)
    unigrams[keys] = counts
    return Tables(unigrams, _discount(counts), tuple(orders), n_contexts, continuation)


def pairs_of(keys: Ints, counts: Ints, n_classes: int, most: int | None, symmetric: bool) -> Ngrams:
    """Create the table of pairs of a token and a label in the same row, pruned like the n-grams of one length.

    Args:
        keys: (n,) distinct pairs, ascending: token * n_classes + label.
        counts: (n,) occurrences of each pair, > 0.
        n_classes: Label ids are in [0, n_classes).
        most: Number of pairs to keep. None: all.
        symmetric: True if tokens are classes. `keys` then has each pair in one order, and the table has both orders.
    """
    if symmetric:
        tokens, labels = keys // n_classes, keys % n_classes
        swapped, twice = (labels * n_classes + tokens)[tokens != labels], counts[tokens != labels]
        keys, counts = sum_by_key(np.concatenate([keys, swapped]), np.concatenate([counts, twice]))
    return _ngrams(keys, counts, n_classes, most)


def _ngrams(keys: Ints, counts: Ints, n_classes: int, most: int | None) -> Ngrams:
    discount = _discount(counts)
    contexts, starts = _contexts(keys, n_classes)
    totals = np.add.reduceat(counts, starts[:-1])
    if most is not None and most < len(keys):
        of_context = np.repeat(totals, np.diff(starts))
        kept = np.sort(np.lexsort((of_context, -counts))[:most])  # Stable: the smaller key first.
        keys, counts = keys[kept], counts[kept]
        left, starts = _contexts(keys, n_classes)
        totals, contexts = totals[np.searchsorted(contexts, left)], left
    return Ngrams(keys, counts, contexts, starts, totals, totals - np.add.reduceat(counts, starts[:-1]), discount)


def _contexts(keys: Ints, n_classes: int) -> tuple[Ints, Ints]:
    """Return the contexts of sorted n-grams, and the index of the first n-gram of each, with the number of n-grams."""
    context = keys // n_classes
    first = np.flatnonzero(np.diff(context, prepend=context[:1] - 1))
    return context[first], np.append(first, len(keys))


def _discount(counts: Ints) -> float:
    """Return D = n1 / (n1 + 2 n2), at most 1."""
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    # If no n-gram was seen once, the estimate is 0, and an unseen class would have probability 0.
    return once / (once + 2 * twice) if once else 0.5
