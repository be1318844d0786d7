"""Counts of n-grams and pairs in the train split, for a mixture with the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from components.baselines.counting import KeyCounts, packed
from components.baselines.models.cooccurrence import PAIRS
from components.baselines.models.tables import pairs_of, tables_of
from components.compat.tensorflow import untuned
from components.layers.mixture.spec import NgramMixtureSpec
from components.layers.mixture.tables import Ints, Tables
from components.training.data.batches import counted_labels
from components.training.data.layout import Layout


def count_ngrams(files: Sequence[str], layout: Layout, classes: int, spec: NgramMixtureSpec) -> Tables:
    """Count the n-grams that end with a known label and, if configured, the pairs of a token and a known label.

    The n-gram counts and their pruning are those of the baseline of the same order. Memory grows with the number of
    distinct n-grams, as in the Baselines node.

    Args:
        files: TFRecords (gzip) of Transform.
        layout: Layout of a window, with the context of the counts.
        classes: Number of labels.
        spec: Configuration of the mixture.

    Raises:
        ValueError: No label is in the vocabulary, or the vocabularies are too large to count n-grams.
    """
    sequences = layout.shape == "sequence"
    order = spec.longest(sequences)
    contexts, counts, pairs = layout.counted_ids + 2, KeyCounts(), KeyCounts(limit=PAIRS)
    batches = counted_labels(files, replace(layout, counted=max(order - 1, spec.pairs)))
    for context, labels, rows in untuned(batches).as_numpy_iterator():
        context, labels = context.astype(np.int64), labels.astype(np.int64)
        counts.add(packed(context[:, context.shape[1] - order + 1 :], labels, contexts, classes))
        if spec.pairs:
            tokens = context[:, context.shape[1] - spec.pairs :]
            pairs.add(_pairs(tokens, labels, rows.astype(np.int64), layout.counted_ids, classes, sequences))
    tables = tables_of(
        *counts.result(),
        order=order,
        n_contexts=contexts,
        n_classes=classes,
        continuation=sequences,
        most=spec.max_ngrams,
    )
    if not spec.pairs:
        return tables
    return replace(tables, pairs=pairs_of(*pairs.result(), classes, spec.max_ngrams, symmetric=sequences))


def _pairs(tokens: Ints, labels: Ints, rows: Ints, ids: int, classes: int, symmetric: bool) -> Ints:
    """Return the pairs of a token and a nearby label, each pair once per row, packed as token * classes + label.

    Args:
        tokens: (n, W) context ids before each label. Ids from `ids` on are not tokens of the vocabulary.
        labels: (n,) labels.
        rows: (n,) number of the row of each label.
        ids: Number of tokens.
        classes: Number of labels.
        symmetric: True if tokens are classes, and the order of a pair does not matter.
    """
    known, others = tokens < ids, np.broadcast_to(labels[:, np.newaxis], tokens.shape)
    if symmetric:
        tokens, others = np.minimum(tokens, others), np.maximum(tokens, others)
    keys = rows[:, np.newaxis] * (ids * classes) + tokens * classes + others
    return np.unique(keys[known]) % (ids * classes)
