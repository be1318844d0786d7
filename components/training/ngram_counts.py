"""Counts of n-grams and of pairs in the train split, for the mixture of a model with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from components.baselines.cooccurrence import PAIRS
from components.baselines.counting import KeyCounts, packed
from components.baselines.tables import pairs_of, tables_of
from components.compat.tensorflow import untuned
from components.layers.mixture.spec import NgramMixtureSpec
from components.layers.mixture.tables import Ngrams, Tables
from components.training.layout import Layout
from components.training.windows import counted_labels


def count_ngrams(files: Sequence[str], layout: Layout, classes: int, spec: NgramMixtureSpec) -> Tables:
    """Count the n-grams that end with a known label, and the pairs of a token and a known label if they are mixed in.

    The n-gram counts are those of the baseline of the same order, pruned alike. Memory grows with the number of
    distinct n-grams, as in the Baselines node.

    Args:
        files: TFRecords (gzip) of Transform.
        layout: Layout of a window, with the context of the counts.
        classes: Number of labels.
        spec: Configuration of the mixture.

    Raises:
        ValueError: No label is in the vocabulary, or the vocabularies are too large to count n-grams.
    """
    order = spec.longest(layout.shape == "sequence")
    contexts, counts = layout.counted_ids + 2, KeyCounts()
    batches = counted_labels(files, replace(layout, counted=order - 1))
    for context, labels, _ in untuned(batches).as_numpy_iterator():
        counts.add(packed(context.astype(np.int64), labels.astype(np.int64), contexts, classes))
    tables = tables_of(
        *counts.result(),
        order=order,
        n_contexts=contexts,
        n_classes=classes,
        continuation=layout.shape == "sequence",
        most=spec.max_ngrams,
    )
    return replace(tables, pairs=_count_pairs(files, layout, classes, spec)) if spec.pairs else tables


def _count_pairs(files: Sequence[str], layout: Layout, classes: int, spec: NgramMixtureSpec) -> Ngrams:
    """Count the rows in which a token and a known label are at most `spec.pairs` tokens apart.

    In sequences, the order of the two does not matter.
    """
    found, symmetric = KeyCounts(limit=PAIRS), layout.shape == "sequence"
    batches = counted_labels(files, replace(layout, counted=spec.pairs))
    for context, labels, rows in untuned(batches).as_numpy_iterator():
        tokens, known = context.astype(np.int64), context < layout.counted_ids
        others = np.broadcast_to(labels.astype(np.int64)[:, np.newaxis], tokens.shape)
        if symmetric:
            tokens, others = np.minimum(tokens, others), np.maximum(tokens, others)
        keys = rows.astype(np.int64)[:, np.newaxis] * (layout.counted_ids * classes) + tokens * classes + others
        found.add(np.unique(keys[known]) % (layout.counted_ids * classes))
    return pairs_of(*found.result(), classes, spec.max_ngrams, symmetric)
