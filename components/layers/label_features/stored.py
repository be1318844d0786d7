"""Features of ids as variables that do not train."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from components.layers.label_features.table import FeatureTable
from components.layers.optimization.gradients import gather_rows
from components.layers.variables import add_variable


class StoredFeatures(keras.layers.Layer):
    """Layer that holds the features of each id.

    Variables in place of constants, so that the graph of an export does not contain them several times.

    Args:
        table: Features of the ids.

    Attributes:
        counts: (ids,) float32 occurrences of the ids in the train split.
        numbers: (ids, n) float32 standardized numbers, or None without numbers.
        sizes: Number of distinct entries of each bag, by name.
    """

    def __init__(self, table: FeatureTable, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sizes = {name: bag.size for name, bag in table.bags.items()}
        self.counts = add_variable(self, "counts", table.counts.astype(np.float32), trainable=False)
        self.numbers = None
        if table.numbers.shape[1]:
            self.numbers = add_variable(self, "numbers", table.numbers, trainable=False)
        self._starts, self._entries = {}, {}
        for place, (name, bag) in enumerate(table.bags.items()):
            self._starts[name] = add_variable(self, f"starts_{place}", bag.starts, "int64", trainable=False)
            # At least one entry, because a variable must not be empty.
            entries = bag.entries if len(bag.entries) else np.zeros(1, np.int64)
            self._entries[name] = add_variable(self, f"entries_{place}", entries, "int64", trainable=False)
        self.built = True

    def entries(self, name: str, ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the entries of a bag for some ids.

        Args:
            name: Name of the bag.
            ids: (n,) integers.

        Returns:
            (m,) int64 entries, in the order of the ids, and (n,) int64 number of entries of each id.
        """
        first, end = gather_rows(self._starts[name], ids), gather_rows(self._starts[name], ids + 1)
        places = tf.ragged.range(first, end)
        return gather_rows(self._entries[name], places.values), end - first
