"""From Transform's rows to windows of K input ids with one label each, and with their row's further targets.

A row of shape `sequence` gives a window before each of its tokens but the first; a row of shape `labelled` gives one
window, at the end of its inputs. Either way a window is a slice of the flat list of a batch's ids, so that all of them
are cut at once by one gather, and none can cross a row.
"""

# TensorFlow's and Keras's annotations are narrower than what they take and give.
# pyright: reportArgumentType=false, reportReturnType=false

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf

from components.ingest.spec import Shape
from components.training.layout import LABEL, Batch, Layout

# Rows mixed by their order.
SHUFFLED_ROWS = 8_192
# Windows that are then mixed with one another, those of whole rows: as many as memory allows (some 40 bytes each),
# since a row's windows resemble one another and should not be met close together.
BLOCK_WINDOWS = 1 << 22
BLOCK_ROWS = 1 << 16
# Rows read at a time where their order does not matter.
COUNTED_ROWS = 2_048
# Windows cut at a time out of such a block: bounds the memory however long the rows are.
CUT_WINDOWS = 65_536


@dataclass(frozen=True)
class Spans:
    """Where the windows of a batch of rows lie.

    Attributes:
        values: (tokens,) int32, the ids of all rows.
        starts: (windows,) where the window's row starts.
        ends: (windows,) just after the window's last token.
        labels: (windows,) int32, -1 outside the vocabulary; or float32, where labels are numbers, NaN for none.
        rows: (windows,) the window's row.
    """

    values: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor
    labels: tf.Tensor
    rows: tf.Tensor

    def take(self, which: tf.Tensor) -> Spans:
        """Some of the windows, in the order asked for."""
        picked = (tf.gather(t, which) for t in (self.starts, self.ends, self.labels, self.rows))
        return Spans(self.values, *picked)

    @property
    def known(self) -> tf.Tensor:
        """(windows,) bool: whether the label is one to learn from."""
        return tf.logical_not(tf.math.is_nan(self.labels)) if self.labels.dtype.is_floating else self.labels >= 0

    def cut(self, context: int, padding: int) -> tf.Tensor:
        """(windows, context) int32: the ids of each window, the latest last, padded on the left."""
        places = self.ends[:, tf.newaxis] + tf.range(-context, 0, dtype=self.ends.dtype)
        # A place before its row is sent to a padding id after the last one.
        outside = tf.shape(self.values, out_type=places.dtype)[0]
        places = tf.where(places >= self.starts[:, tf.newaxis], places, outside)
        return tf.gather(tf.concat([self.values, [tf.cast(padding, self.values.dtype)]], axis=0), places)


def labelled_spans(input_ids: tf.RaggedTensor, label_ids: tf.RaggedTensor, shape: Shape) -> Spans:
    """All windows that have a label, known or not, in the order of the rows."""
    values = tf.cast(input_ids.values, tf.int32)
    labels = tf.cast(label_ids.values, tf.int32)
    if shape == "labelled":
        count = input_ids.nrows()
        first = tf.cast(label_ids.to_tensor(-1, shape=[None, 1])[:, 0], tf.int32)
        return Spans(values, input_ids.row_starts(), input_ids.row_limits(), first, tf.range(count))
    rows = input_ids.value_rowids()
    starts = tf.gather(input_ids.row_starts(), rows)
    places = tf.range(tf.shape(values, out_type=tf.int64)[0])
    spans = Spans(values, starts, places, labels, rows)
    return spans.take(tf.where(places > starts)[:, 0])


def number_spans(input_ids: tf.RaggedTensor, labels: tf.Tensor) -> Spans:
    """One window a row, at its end, with the row's number: (rows,) float32, NaN for none."""
    values = tf.cast(input_ids.values, tf.int32)
    return Spans(values, input_ids.row_starts(), input_ids.row_limits(), labels, tf.range(input_ids.nrows()))


def spans_of(features: Batch, layout: Layout) -> Spans:
    """All windows of parsed rows, with their labels."""
    ids, labels = features["input_ids"], features[layout.label_column]
    return number_spans(ids, labels) if layout.label_kind == "number" else labelled_spans(ids, labels, layout.shape)


def last_spans(input_ids: tf.RaggedTensor) -> Spans:
    """One window a row, at its end: what is asked for when a model answers. The labels are -1."""
    count = input_ids.nrows()
    labels = tf.fill([count], tf.constant(-1, tf.int32))
    values = tf.cast(input_ids.values, tf.int32)
    return Spans(values, input_ids.row_starts(), input_ids.row_limits(), labels, tf.range(count))


def model_inputs(spans: Spans, features: Batch, layout: Layout) -> Batch:
    """What the model takes: `input_ids` (windows, K) and the features of each window's row (windows,)."""
    chosen = {name: tf.gather(features[name], spans.rows) for name in (*layout.numbers, *layout.categories)}
    return {"input_ids": spans.cut(layout.context, layout.padding), **chosen}


def model_targets(spans: Spans, features: Batch, layout: Layout) -> Batch:
    """What the model is to answer: `label`, and the further targets of each window's row.

    Classes are (windows,) int32, -1 where unknown or missing; numbers (windows,) float32 in the column's units, NaN
    where missing.
    """
    numbers = {name: tf.gather(features[name], spans.rows) for name in layout.target_numbers}
    classes = {name: tf.cast(tf.gather(features[name], spans.rows), tf.int32) for name in layout.target_counts}
    return {LABEL: spans.labels, **numbers, **classes}


@dataclass(frozen=True)
class Size:
    """How many rows some files hold, and how many windows these give."""

    rows: int
    windows: int

    @property
    def block_rows(self) -> int:
        """How many rows have their windows mixed at a time."""
        return max(1, min(BLOCK_ROWS, BLOCK_WINDOWS * self.rows // max(self.windows, 1)))


def count_windows(files: Sequence[str], layout: Layout, known_only: bool = True) -> Size:
    """What a pass over the files gives."""

    def count(total: tf.Tensor, serialized: tf.Tensor) -> tf.Tensor:
        labels = _spans(serialized, layout, known_only)[0].labels
        return total + tf.cast(tf.stack([tf.shape(serialized)[0], tf.shape(labels)[0]]), tf.int64)

    rows, windows = _rows(files).batch(COUNTED_ROWS).reduce(tf.zeros(2, tf.int64), count).numpy()
    return Size(int(rows), int(windows))


def target_columns(files: Sequence[str], layout: Layout) -> tf.data.Dataset:
    """The targets of all windows with a known label, by name, in the order of the files."""

    def targets(serialized: tf.Tensor) -> Batch:
        spans, features = _spans(serialized, layout, known_only=True)
        return model_targets(spans, features, layout)

    return _rows(files).batch(COUNTED_ROWS).map(targets)


def latest_ids(files: Sequence[str], layout: Layout, length: int) -> tf.data.Dataset:
    """The last ids of all windows with a known label, (any, length) int32, in the order of the files."""

    def pieces(serialized: tf.Tensor) -> tf.data.Dataset:
        spans, _ = _spans(serialized, layout, known_only=True)
        count = tf.shape(spans.labels)[0]

        def piece(start: tf.Tensor) -> tf.Tensor:
            end = tf.minimum(tf.cast(start, tf.int32) + CUT_WINDOWS, count)
            return spans.take(tf.range(tf.cast(start, tf.int32), end)).cut(length, layout.padding)

        return tf.data.Dataset.range(0, tf.cast(count, tf.int64), CUT_WINDOWS).map(piece)

    return _rows(files).batch(COUNTED_ROWS).flat_map(pieces)


def training_batches(
    files: Sequence[str],
    layout: Layout,
    batch: int,
    batches: int,
    seed: int,
    skip: int = 0,
    block_rows: int = BLOCK_ROWS,
) -> tf.data.Dataset:
    """Endless shuffled batches of exactly `batch` windows with a known label, the same for the same seed.

    Every pass over the rows has an order of its own, which follows from seed and pass, so that a training that was
    interrupted can go on at any step.

    Args:
        files: TFRecords (gzip) of Transform.
        layout: what a window is made of.
        batch: windows a batch.
        batches: batches a pass; the few windows beyond them are left out of that pass.
        seed: of the order.
        skip: batches to leave out at the beginning.
        block_rows: rows whose windows are mixed with one another, as `Size.block_rows`.

    Returns:
        A data set of (model inputs, targets): see `model_inputs` and `model_targets`.
    """

    def one_pass(number: tf.Tensor) -> tf.data.Dataset:
        order = number * 7_919 + seed
        blocks = _rows(files, order).shuffle(SHUFFLED_ROWS, seed=order).batch(block_rows)
        windows = blocks.enumerate().flat_map(lambda i, rows: _block_windows(rows, layout, tf.stack([order, i])))
        return windows.rebatch(batch, drop_remainder=True).take(batches)

    first, rest = divmod(skip, batches)
    passes = tf.data.Dataset.range(first, tf.int64.max).flat_map(one_pass).skip(rest)
    return passes.prefetch(4)


def validation_batches(files: Sequence[str], layout: Layout, batch: int, windows: int, seed: int) -> tf.data.Dataset:
    """A fixed random sample of so many windows (or all there are), known label or not, in memory."""
    blocks = _rows(files, seed).shuffle(SHUFFLED_ROWS, seed=seed).batch(COUNTED_ROWS)
    parts = blocks.enumerate().flat_map(
        lambda i, rows: _block_windows(rows, layout, tf.stack([tf.constant(seed, tf.int64), i]), known_only=False)
    )
    return parts.rebatch(batch).take(-(-windows // batch)).cache()


def _rows(files: Sequence[str], order: tf.Tensor | int | None = None) -> tf.data.Dataset:
    paths = tf.data.Dataset.from_tensor_slices(list(files))
    if order is not None:
        paths = paths.shuffle(len(files), seed=order)
    return paths.interleave(
        lambda path: tf.data.TFRecordDataset(path, compression_type="GZIP"),
        cycle_length=min(4, len(files)),
        num_parallel_calls=min(2, len(files)),
        deterministic=True,
    )


def _spans(serialized: tf.Tensor, layout: Layout, known_only: bool) -> tuple[Spans, Batch]:
    features = tf.io.parse_example(serialized, layout.feature_spec())
    spans = spans_of(features, layout)
    if known_only:
        spans = spans.take(tf.where(spans.known)[:, 0])
    return spans, features


def _block_windows(serialized: tf.Tensor, layout: Layout, seed: tf.Tensor, known_only: bool = True) -> tf.data.Dataset:
    """The windows of a block of rows in random order, in pieces."""
    spans, features = _spans(serialized, layout, known_only)
    count = tf.shape(spans.labels)[0]
    order = tf.argsort(tf.random.stateless_uniform([count], seed))

    def piece(start: tf.Tensor) -> tuple[Batch, Batch]:
        chosen = spans.take(order[start : start + CUT_WINDOWS])
        return model_inputs(chosen, features, layout), model_targets(chosen, features, layout)

    return tf.data.Dataset.range(0, tf.cast(count, tf.int64), CUT_WINDOWS).map(piece)
