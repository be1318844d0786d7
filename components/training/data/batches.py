"""Batches of windows, read from the files of Transform: for training, for validation, and to count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf

from components.compat.tensorflow import untuned
from components.training.data.layout import Batch, Layout
from components.training.data.values import (
    counted_tokens,
    model_inputs,
    model_targets,
)
from components.training.data.weights import label_weights
from components.training.data.windows import Windows, windows_of

# Size of the buffer that shuffles rows.
SHUFFLED_ROWS = 8_192
# Number of windows that are shuffled together as a block of whole rows. The block is as large as memory allows (some 40
# bytes per window), because windows of one row resemble each other and should not be close together in training.
BLOCK_WINDOWS = 1 << 22
BLOCK_ROWS = 1 << 16
# Rows that are read at a time if their order does not matter.
COUNTED_ROWS = 2_048
# Windows that are cut out of a block at a time. Bounds the memory for rows of any length.
CUT_WINDOWS = 65_536


@dataclass(frozen=True)
class Size:
    """Number of rows in a set of files, number of windows in these rows, and largest number of labels of a window."""

    rows: int
    windows: int
    labels: int = 1

    @property
    def block_rows(self) -> int:
        """Number of rows in a block, whose windows are shuffled together."""
        return max(1, min(BLOCK_ROWS, BLOCK_WINDOWS * self.rows // max(self.windows, 1)))


def count_windows(files: Sequence[str], layout: Layout, known_only: bool = True) -> Size:
    """Count the rows and windows in the files, and the labels of the window with the most labels.

    Args:
        files: TFRecords (gzip) of Transform.
        layout: Layout of a window.
        known_only: True to count only windows with a known label.
    """

    def count(total: tuple[tf.Tensor, tf.Tensor], serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        numbers, most = total
        windows = parse_windows(serialized, layout, known_only)[0]
        numbers += tf.cast(tf.stack([tf.shape(serialized)[0], windows.count]), tf.int64)
        if isinstance(windows.labels, tf.RaggedTensor):
            most = tf.reduce_max(tf.concat([[most], windows.labels.row_lengths()], 0))
        return numbers, most

    start = tf.zeros(2, tf.int64), tf.ones([], tf.int64)
    numbers, most = read_rows(files).batch(COUNTED_ROWS).reduce(start, count)
    rows, windows = numbers.numpy().tolist()
    return Size(rows, windows, int(most))


def target_columns(files: Sequence[str], layout: Layout) -> tf.data.Dataset:
    """Return the targets of all windows with a known label, by name, in the order of the files."""

    def targets(serialized: tf.Tensor) -> Batch:
        windows, features = parse_windows(serialized, layout, known_only=True)
        return model_targets(windows, features, layout)

    return read_rows(files).batch(COUNTED_ROWS).map(targets)


def latest_ids(files: Sequence[str], layout: Layout, length: int) -> tf.data.Dataset:
    """Return the last ids of all windows with a known label, (any, length) int32, in the order of the files."""

    def pieces(serialized: tf.Tensor) -> tf.data.Dataset:
        windows, _ = parse_windows(serialized, layout, known_only=True)
        count = windows.count

        def piece(start: tf.Tensor) -> tf.Tensor:
            end = tf.minimum(tf.cast(start, tf.int32) + CUT_WINDOWS, count)
            return windows.take(tf.range(tf.cast(start, tf.int32), end)).cut(length, layout.padding)

        return tf.data.Dataset.range(0, tf.cast(count, tf.int64), CUT_WINDOWS).map(piece)

    return read_rows(files).batch(COUNTED_ROWS).flat_map(pieces)


def counted_labels(files: Sequence[str], layout: Layout) -> tf.data.Dataset:
    """Return the `counted_tokens` (any, layout.counted) of all known labels, the labels (any,), and the rows (any,).

    Each element contains all labels of its rows. The rows of an element are numbered from 0.
    """

    def piece(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        windows, features = parse_windows(serialized, layout, known_only=True)
        return counted_tokens(windows, features, layout), windows.labels, windows.rows

    return read_rows(files).batch(COUNTED_ROWS).map(piece)


def training_batches(
    files: Sequence[str],
    layout: Layout,
    batch: int,
    batches: int,
    seed: int,
    skip: int = 0,
    block_rows: int = BLOCK_ROWS,
) -> tf.data.Dataset:
    """Return endless shuffled batches of exactly `batch` windows with a known label.

    The batches depend only on the data and the seed. Each pass over the rows has a different order, which depends only
    on the seed and the number of the pass. Therefore an interrupted training can resume at any step.

    Args:
        files: TFRecords (gzip) of Transform.
        layout: Layout of a window.
        batch: Windows per batch.
        batches: Batches per pass. The few remaining windows are left out of the pass.
        seed: Seed of the order.
        skip: Number of batches to skip at the beginning.
        block_rows: Rows whose windows are shuffled together, as in `Size.block_rows`.

    Returns:
        Data set of (model inputs, targets); see `model_inputs` and `model_targets`.
    """

    def one_pass(number: tf.Tensor) -> tf.data.Dataset:
        order = number * 7_919 + seed
        blocks = read_rows(files, order).shuffle(SHUFFLED_ROWS, seed=order).batch(block_rows)
        windows = blocks.enumerate().flat_map(lambda i, rows: _block_windows(rows, layout, tf.stack([order, i])))
        return windows.rebatch(batch, drop_remainder=True).take(batches)

    first, rest = divmod(skip, batches)
    passes = tf.data.Dataset.range(first, tf.int64.max).flat_map(one_pass).skip(rest)
    return untuned(passes.prefetch(4))


def validation_batches(files: Sequence[str], layout: Layout, batch: int, windows: int, seed: int) -> tf.data.Dataset:
    """Return a fixed random sample of the windows with known or unknown labels, cached in memory.

    Args:
        files: TFRecords (gzip) of Transform.
        layout: Layout of a window.
        batch: Windows per batch.
        windows: Size of the sample, rounded up to whole batches. Smaller if the files hold fewer windows.
        seed: Seed of the sample.

    Returns:
        Data set of (model inputs, targets); see `model_inputs` and `model_targets`.
    """
    blocks = read_rows(files, seed).shuffle(SHUFFLED_ROWS, seed=seed).batch(COUNTED_ROWS)
    parts = blocks.enumerate().flat_map(
        lambda i, rows: _block_windows(rows, layout, tf.stack([tf.constant(seed, tf.int64), i]), known_only=False)
    )
    return untuned(parts.rebatch(batch).take(-(-windows // batch)).cache())


def read_rows(files: Sequence[str], order: tf.Tensor | int | None = None) -> tf.data.Dataset:
    """Return the serialized rows of the files, in the order of the files or, with a seed `order`, of shuffled files."""
    paths = tf.data.Dataset.from_tensor_slices(list(files))
    if order is not None:
        paths = paths.shuffle(len(files), seed=order)
    return paths.interleave(
        lambda path: tf.data.TFRecordDataset(path, compression_type="GZIP"),
        cycle_length=min(4, len(files)),
        num_parallel_calls=min(2, len(files)),
        deterministic=True,
    )


def parse_windows(serialized: tf.Tensor, layout: Layout, known_only: bool) -> tuple[Windows, Batch]:
    """Return the windows of serialized rows, and the parsed rows.

    Args:
        serialized: (rows,) serialized rows.
        layout: Layout of a window.
        known_only: True for only the windows to train on: with a known label, and a weight above 0.
    """
    features = tf.io.parse_example(serialized, layout.feature_spec())
    windows = windows_of(features, layout)
    if known_only:
        kept = windows.known
        if layout.weighted:
            kept &= label_weights(windows, features, layout) > 0
        windows = windows.take(tf.where(kept)[:, 0])
    return windows, features


def _block_windows(serialized: tf.Tensor, layout: Layout, seed: tf.Tensor, known_only: bool = True) -> tf.data.Dataset:
    """Return the windows of a block of rows in random order, `CUT_WINDOWS` at a time."""
    windows, features = parse_windows(serialized, layout, known_only)
    count = windows.count
    order = tf.argsort(tf.random.stateless_uniform([count], seed))

    def piece(start: tf.Tensor) -> tuple[Batch, Batch]:
        chosen = windows.take(order[start : start + CUT_WINDOWS])
        return model_inputs(chosen, features, layout), model_targets(chosen, features, layout)

    return tf.data.Dataset.range(0, tf.cast(count, tf.int64), CUT_WINDOWS).map(piece)
