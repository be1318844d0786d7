"""Sums of what the features of an id contribute."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from components.layers.label_features.stored import StoredFeatures
from components.layers.optimization.gradients import gather_rows


class FeatureSum(keras.layers.Layer):
    """Layer that sums learned contributions of the features of an id.

        c(f) = sum_b mean_(e in bag b) E_b[e] + numbers N

    The sum is 0 for an id without features. A gradient has only the rows of the entries that were read.

    Args:
        stored: Features of the ids. They belong to another layer.
        width: Width of c.
        scale: Bound of the initial values of E and N. 0: zeros.
        seed: Seed of the initial values.
    """

    def __init__(self, stored: StoredFeatures, width: int, scale: float, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # A function, because Keras would count the weights of a layer in an attribute as weights of this layer.
        self._stored = lambda: stored
        self.width, self.scale, self.seed = width, scale, seed
        self.tables: dict[str, keras.Variable] = {}
        self.kernel: keras.Variable | None = None

    def build(self, input_shape: tuple[int | None, ...] | None = None) -> None:
        """Create E for each bag, (entries, width), and N, (numbers, width)."""
        stored = self._stored()
        for place, (name, size) in enumerate(stored.sizes.items()):
            self.tables[name] = self._weight(f"bag_{place}", (size, self.width), place)
        if stored.numbers is not None:
            self.kernel = self._weight("numbers", (stored.numbers.shape[1], self.width), len(self.tables))
        self.built = True

    def call(self, ids: tf.Tensor) -> tf.Tensor:
        """Return c for (n,) integer ids, (n, width) float32."""
        stored = self._stored()
        numbers = gather_rows(stored.numbers, ids) if stored.numbers is not None else tf.zeros([tf.size(ids), 0])
        return self.sum_of({name: stored.entries(name, ids) for name in self.tables}, numbers)

    def sum_of(self, bags: dict[str, tuple[tf.Tensor, tf.Tensor]], numbers: tf.Tensor) -> tf.Tensor:
        """Return c for features that are given, (n, width) float32.

        Args:
            bags: Entries, (m,) integers, and their number for each of n ids, (n,) integers, by name of the bag.
            numbers: (n, numbers) float32.
        """
        count = tf.shape(numbers)[0]
        total = tf.zeros([count, self.width])
        for name, table in self.tables.items():
            entries, sizes = bags[name]
            owners = tf.repeat(tf.range(count), sizes)
            summed = tf.math.unsorted_segment_sum(gather_rows(table, entries), owners, count)
            total += summed / tf.maximum(tf.cast(sizes, tf.float32), 1.0)[:, tf.newaxis]
        return total if self.kernel is None else total + tf.matmul(numbers, self.kernel.value)

    def _weight(self, name: str, shape: tuple[int, int], number: int) -> keras.Variable:
        start = keras.initializers.RandomUniform(-self.scale, self.scale, seed=self.seed + number)
        return self.add_weight(
            shape=shape, initializer=start if self.scale else "zeros", dtype="float32", autocast=False, name=name
        )
