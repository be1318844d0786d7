"""Batches of whole rows for causal encoders.

The cuts of a block of rows are sorted by length, with some noise. Each batch is a contiguous part of this order with
about `batch` labels, so the rows of a batch have similar lengths and need little padding. The batches of a block are
shuffled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from components.compat.tensorflow import untuned
from components.training.data.batches import (
    BLOCK_ROWS,
    BLOCK_WINDOWS,
    COUNTED_ROWS,
    SHUFFLED_ROWS,
    parse_windows,
    read_rows,
)
from components.training.data.layout import Batch, Layout
from components.training.data.windows import Windows
from components.training.rows.cuts import TOTAL, Cuts, filled_up

# Random relative noise of the lengths in the sort, so that the same rows do not always share a batch.
_NOISE = 0.125
# Number of batches of a block, if the data has several blocks. A block has a whole number of batches. With this number,
# the batches of different blocks have almost the same number of labels.
_BLOCK_BATCHES = 32


@dataclass(frozen=True)
class RowsSize:
    """Size of a set of files.

    Attributes:
        rows: Number of rows.
        windows: Number of labels.
        longest: Largest number of labels of one cut.
    """

    rows: int
    windows: int
    longest: int

    @property
    def least_batch(self) -> int:
        """Minimum number of labels in a batch. A smaller batch could lie within one cut, and have no cut of its own."""
        return self.longest + self.longest // (_BLOCK_BATCHES // 2)

    def block_rows(self, batch: int) -> int:
        """Return the number of rows of a block, such that all blocks have about the same size.

        Args:
            batch: Labels per batch.
        """
        labels = max(BLOCK_WINDOWS, _BLOCK_BATCHES * batch)
        rows = max(BLOCK_ROWS, _BLOCK_BATCHES * batch)
        blocks = max(-(-self.windows // labels), -(-self.rows // rows), 1)
        return -(-self.rows // blocks)


def count_cuts(files: Sequence[str], layout: Layout) -> RowsSize:
    """Count the rows and known labels of the files, and the labels of the longest cut.

    Args:
        files: TFRecords (gzip) of Transform.
        layout: Layout of an example.
    """

    def count(total: tf.Tensor, serialized: tf.Tensor) -> tf.Tensor:
        cuts = Cuts.of(*parse_windows(serialized, layout, known_only=True), layout)
        found = tf.cast(tf.stack([tf.shape(serialized)[0], cuts.firsts[-1]]), tf.int64)
        longest = tf.reduce_max(tf.concat([cuts.labels, [0]], 0))
        return tf.concat([total[:2] + found, [tf.maximum(total[2], tf.cast(longest, tf.int64))]], 0)

    rows, windows, longest = read_rows(files).batch(COUNTED_ROWS).reduce(tf.zeros(3, tf.int64), count).numpy()
    return RowsSize(int(rows), int(windows), int(longest))


def training_batches(
    files: Sequence[str],
    layout: Layout,
    size: RowsSize,
    batches: int,
    seed: int,
    skip: int = 0,
    replicas: int = 1,
) -> tf.data.Dataset:
    """Return endless shuffled batches of whole rows, with all their known labels.

    The batches depend only on the data and the seed. Each pass has a different order, which depends only on the seed
    and the number of the pass. Therefore an interrupted training can resume at any step. Each pass contains each known
    label exactly once.

    Args:
        files: TFRecords (gzip) of Transform.
        layout: Layout of an example.
        size: Size of the files.
        batches: Batches per pass, at most `size.windows // size.least_batch`, or 1.
        seed: Seed of the order.
        skip: Number of batches to skip at the beginning.
        replicas: Number of replicas; it divides the number of rows of each batch.

    Returns:
        Data set of (model inputs, targets); see `Cuts.inputs` and `Cuts.targets`.
    """
    block_rows = size.block_rows(-(-size.windows // batches))

    def one_pass(number: tf.Tensor) -> tf.data.Dataset:
        order = number * 7_919 + seed

        def packed(done: tf.Tensor, block: Any) -> tuple[tf.Tensor, Any]:
            index, serialized = block
            windows, features = parse_windows(serialized, layout, known_only=True)
            end = done + tf.cast(tf.shape(windows.labels)[0], tf.int64)
            # The batches of a block are a share of those of the pass, by the number of its labels.
            count = end * batches // size.windows - done * batches // size.windows
            return end, _packed(windows, features, layout, tf.cast(count, tf.int32), tf.stack([order, index]))

        rows = read_rows(files, order).shuffle(SHUFFLED_ROWS, seed=order).batch(block_rows)
        blocks = rows.enumerate().scan(tf.constant(0, tf.int64), packed)
        return blocks.flat_map(lambda *block: _batches(block, layout, replicas))

    first, rest = divmod(skip, batches)
    passes = tf.data.Dataset.range(first, tf.int64.max).flat_map(one_pass).skip(rest)
    return untuned(passes.prefetch(4))


def validation_batches(
    files: Sequence[str], layout: Layout, batch: int, labels: int, seed: int, replicas: int = 1
) -> tf.data.Dataset:
    """Return a fixed random sample of the rows with their known and unknown labels, cached in memory.

    Args:
        files: TFRecords (gzip) of Transform.
        layout: Layout of an example.
        batch: Approximate number of labels per batch.
        labels: Size of the sample, rounded up to whole batches. Smaller if the files hold fewer labels.
        seed: Seed of the sample.
        replicas: Number of replicas; it divides the number of rows of each batch.

    Returns:
        Data set of (model inputs, targets); see `Cuts.inputs` and `Cuts.targets`.
    """
    rows = read_rows(files, seed).shuffle(SHUFFLED_ROWS, seed=seed).batch(COUNTED_ROWS)

    def packed(index: tf.Tensor, serialized: tf.Tensor) -> Any:
        windows, features = parse_windows(serialized, layout, known_only=False)
        cuts = Cuts.of(windows, features, layout)
        longest = tf.reduce_max(tf.concat([cuts.labels, [1]], 0))
        # A block may have no label at all.
        count = tf.minimum(tf.maximum(cuts.firsts[-1] // tf.maximum(batch, longest), 1), cuts.count)
        return _packed(windows, features, layout, count, tf.stack([tf.constant(seed, tf.int64), index]))

    def enough(found: tf.Tensor, element: tuple[Batch, Batch]) -> tuple[tf.Tensor, Any]:
        more = found + tf.cast(element[1][TOTAL][0], tf.int64)
        return more, (found < labels, element)

    parts = rows.enumerate().map(packed).flat_map(lambda *block: _batches(block, layout, replicas))
    chosen = parts.scan(tf.constant(0, tf.int64), enough)
    return untuned(chosen.take_while(lambda needed, _: needed).map(lambda _, element: element).cache())


def _packed(windows: Windows, features: Batch, layout: Layout, count: tf.Tensor, seed: tf.Tensor) -> Any:
    """Sort the cuts of a block by length, and divide them into batches.

    Returns:
        Tensors of the sorted `Cuts`; features and targets of the rows; and for each batch, in random order, the first
        cut and the cut after the last.
    """
    cuts = Cuts.of(windows, features, layout)
    noise = tf.random.stateless_uniform([cuts.count], seed, 1.0, 1.0 + _NOISE)
    cuts = cuts.take(tf.argsort(tf.cast(cuts.lengths, tf.float32) * noise, stable=True))
    # The labels are divided evenly among the batches, and a cut belongs to the batch of its first label.
    share = tf.cast(cuts.firsts[:-1], tf.int64) * tf.cast(count, tf.int64)
    batch = tf.cast(share // tf.maximum(tf.cast(cuts.firsts[-1], tf.int64), 1), tf.int32)
    bounds = tf.searchsorted(batch, tf.range(count + 1))
    bounds = tf.stack([bounds[:-1], bounds[1:]], axis=1)
    order = tf.argsort(tf.random.stateless_uniform([count], seed + 1))
    names = (*layout.numbers, *layout.categories, *layout.target_numbers, *layout.target_counts)
    names += layout.per_token
    parts = (cuts.windows.values, cuts.windows.starts, cuts.windows.ends, cuts.windows.labels, cuts.windows.rows)
    return parts, cuts.firsts, cuts.counted, {name: features[name] for name in names}, tf.gather(bounds, order)


def _batches(block: Any, layout: Layout, replicas: int) -> tf.data.Dataset:
    """Return the batches of a block from `_packed`."""
    parts, firsts, counted, features, bounds = block
    cuts = Cuts(Windows(*parts), firsts, counted)

    def one(bound: tf.Tensor) -> tuple[Batch, Batch]:
        part = cuts.take(tf.range(bound[0], bound[1]))
        inputs = part.inputs(features, layout)
        return filled_up(inputs, part.targets(inputs, features, layout), replicas, layout.padding)

    return tf.data.Dataset.from_tensor_slices(bounds).map(one)
