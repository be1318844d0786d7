"""Conversion of Transform's rows to windows of K input ids, each with its label and the further targets of its row.

A row of shape `sequence` has a window before each token except the first or, if positions are split, before each token
that is a label of the split. With baskets, it has a window before each basket except the first, with all tokens of the
basket as its labels. A row of shape `labelled` has one window, at the end of its inputs, with its label or, if a row
may have several, with all its labels. In all shapes, a window is a slice of the flat list of the ids of a batch.
One gather cuts all windows of a batch, and no window crosses the boundary of a row. `components.training.rows` joins
the windows of a row again, for encoders that process a row at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import tensorflow as tf

from components.compat.tensorflow import untuned
from components.ingest.spec import Shape
from components.layers.encoders.basket.layer import AGES
from components.layers.losses.labels import PADDING
from components.preprocessing.preprocessing import BASKET, FIRST_LABEL
from components.training.data.layout import COUNTED, HISTORY, LABEL, Batch, Layout
from components.training.data.weights import WEIGHT, label_weights

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
class Windows:
    """Positions of the windows in a batch of rows.

    Attributes:
        values: (tokens,) int32 ids of all rows.
        starts: (windows,) start of the row of each window.
        ends: (windows,) position after the last token of each window.
        labels: (windows,) int32 classes, -1 outside the vocabulary; or (windows,) float32 numbers, NaN if missing; or
            (windows, any) int32, all classes of rows with several labels.
        rows: (windows,) index of the row of each window.
        baskets: (windows,) int64 number of the basket that follows each window; None without baskets.
    """

    values: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor
    labels: tf.Tensor | tf.RaggedTensor
    rows: tf.Tensor
    baskets: tf.Tensor | None = None

    @property
    def count(self) -> tf.Tensor:
        """Number of windows, a scalar int32."""
        return tf.shape(self.rows)[0]

    def take(self, which: tf.Tensor) -> Windows:
        """Select windows by index, in the order of `which`."""
        parts = (self.starts, self.ends, self.labels, self.rows, self.baskets)
        return Windows(self.values, *(None if part is None else tf.gather(part, which) for part in parts))

    @property
    def known(self) -> tf.Tensor:
        """Mask of the windows with a known label, or with at least one: (windows,) bool."""
        if isinstance(self.labels, tf.RaggedTensor):
            return tf.reduce_any(self.labels >= 0, axis=1)
        return tf.logical_not(tf.math.is_nan(self.labels)) if self.labels.dtype.is_floating else self.labels >= 0

    def cut(self, context: int, padding: int) -> tf.Tensor:
        """Return the ids of each window, the latest last, padded on the left: (windows, context) int32."""
        return self.cut_of(self.values, context, padding)

    def cut_of(self, values: tf.Tensor, context: int, padding: int) -> tf.Tensor:
        """Return the values of the tokens of each window, the latest last, padded on the left: (windows, context).

        Args:
            values: (tokens,) one value for each token of all rows, of any type.
            context: Number of tokens.
            padding: Value at positions before the start of the row.
        """
        places = self.ends[:, tf.newaxis] + tf.range(-context, 0, dtype=self.ends.dtype)
        # Positions before the start of the row point to a padding that is appended to the values.
        outside = tf.shape(values, out_type=places.dtype)[0]
        places = tf.where(places >= self.starts[:, tf.newaxis], places, outside)
        return tf.gather(tf.concat([values, [tf.cast(padding, values.dtype)]], axis=0), places)


def labelled_windows(
    input_ids: tf.RaggedTensor, label_ids: tf.RaggedTensor, shape: Shape, first_label: tf.Tensor | None = None
) -> Windows:
    """Return all windows that have a label, known or unknown, in the order of the rows.

    Args:
        input_ids: Input ids of the rows.
        label_ids: Label ids of the rows.
        shape: Shape of the data.
        first_label: (rows,) int64 position of the first label of each row, at least 1. None: 1. Only for shape
            `sequence`.
    """
    values = tf.cast(input_ids.values, tf.int32)
    labels = tf.cast(label_ids.values, tf.int32)
    if shape == "labelled":
        count = input_ids.nrows()
        first = tf.cast(label_ids.to_tensor(-1, shape=[None, 1])[:, 0], tf.int32)
        return Windows(values, input_ids.row_starts(), input_ids.row_limits(), first, tf.range(count))
    rows = input_ids.value_rowids()
    starts = tf.gather(input_ids.row_starts(), rows)
    places = tf.range(tf.shape(values, out_type=tf.int64)[0])
    windows = Windows(values, starts, places, labels, rows)
    firsts = starts + (1 if first_label is None else tf.gather(first_label, rows))
    return windows.take(tf.where(places >= firsts)[:, 0])


def number_windows(input_ids: tf.RaggedTensor, labels: tf.Tensor) -> Windows:
    """Return one window at the end of each row, with the number of the row as its label.

    Args:
        input_ids: Input ids of the rows.
        labels: (rows,) float32 numbers, NaN if missing.
    """
    values = tf.cast(input_ids.values, tf.int32)
    return Windows(values, input_ids.row_starts(), input_ids.row_limits(), labels, tf.range(input_ids.nrows()))


def several_windows(input_ids: tf.RaggedTensor, label_ids: tf.RaggedTensor) -> Windows:
    """Return one window at the end of each row, with all labels of the row.

    Args:
        input_ids: Input ids of the rows.
        label_ids: Label ids of the rows, -1 outside the vocabulary.
    """
    values, labels = tf.cast(input_ids.values, tf.int32), tf.cast(label_ids, tf.int32)
    return Windows(values, input_ids.row_starts(), input_ids.row_limits(), labels, tf.range(input_ids.nrows()))


def basket_windows(
    input_ids: tf.RaggedTensor,
    label_ids: tf.RaggedTensor,
    baskets: tf.RaggedTensor,
    first_label: tf.Tensor | None = None,
) -> Windows:
    """Return a window before each basket except the first of its row, with the classes of the basket as its labels.

    Args:
        input_ids: Input ids of the rows.
        label_ids: Classes of the same tokens, -1 outside the vocabulary.
        baskets: Number of the basket of each token in its row, from 0.
        first_label: (rows,) int64 number of the first basket of each row that is a label, at least 1. None: 1.
    """
    numbers, rows, count = baskets.values, baskets.value_rowids(), tf.size(baskets.values, tf.int64)
    places = tf.range(count)
    before = tf.concat([[tf.constant(-1, tf.int64)], numbers], axis=0)[:-1]
    firsts = tf.where((places == tf.gather(baskets.row_starts(), rows)) | (numbers != before))[:, 0]
    labels = tf.RaggedTensor.from_row_splits(
        tf.cast(label_ids.values, tf.int32), tf.concat([firsts, [count]], axis=0), validate=False
    )
    numbers, rows = tf.gather(numbers, firsts), tf.gather(rows, firsts)
    starts = tf.gather(baskets.row_starts(), rows)
    windows = Windows(tf.cast(input_ids.values, tf.int32), starts, firsts, labels, rows, numbers)
    return windows.take(tf.where(numbers >= (1 if first_label is None else tf.gather(first_label, rows)))[:, 0])


def windows_of(features: Batch, layout: Layout) -> Windows:
    """Return all windows of parsed rows, with their labels."""
    ids, labels = features["input_ids"], features[layout.label_column]
    if layout.label_kind == "number":
        return number_windows(ids, labels)
    first_label = features[FIRST_LABEL] if layout.splits_positions else None
    if layout.baskets:
        return basket_windows(ids, labels, features[BASKET], first_label)
    if layout.several_labels:
        return several_windows(ids, labels)
    return labelled_windows(ids, labels, layout.shape, first_label)


def last_windows(input_ids: tf.RaggedTensor, baskets: tf.RaggedTensor | None = None) -> Windows:
    """Return one window at the end of each row, for a prediction of a served model. The labels are -1.

    Args:
        input_ids: Input ids of the rows.
        baskets: Number of the basket of each token in its row, from 0; None without baskets.
    """
    count = input_ids.nrows()
    labels = tf.fill([count], tf.constant(-1, tf.int32))
    values = tf.cast(input_ids.values, tf.int32)
    # A row without tokens has no basket, and its maximum is the least integer.
    next_baskets = None if baskets is None else 1 + tf.maximum(tf.reduce_max(baskets, axis=1), -1)
    return Windows(values, input_ids.row_starts(), input_ids.row_limits(), labels, tf.range(count), next_baskets)


def model_inputs(windows: Windows, features: Batch, layout: Layout) -> Batch:
    """Return the inputs of the model: `input_ids` (windows, K), and the features of the row of each window, (windows,).

    The token features, (windows, K), are those of the tokens of a window, never those of its label, which follows them.
    A mixture with counts also gets the tokens to look up: `COUNTED` (windows, layout.counted). With baskets, `AGES`
    (windows, K) is the age of the basket of each token: 1 for the latest, 0 for padding. The bonus for repeated classes
    gets `HISTORY` (windows, K, 2): the class of each token, -1 outside the vocabulary and for padding, and its age.
    """
    chosen = row_features(windows.rows, features, layout)
    if layout.counted:
        chosen[COUNTED] = counted_tokens(windows, features, layout)
    paddings = layout.token_paddings
    for name, values in token_values(features, layout).items():
        chosen[name] = windows.cut_of(values, layout.context, paddings[name])
    if layout.baskets:
        ages = basket_ages(windows, features, layout)
        chosen[AGES] = ages
        if layout.repeats:
            classes = windows.cut_of(tf.cast(features["label_ids"].values, tf.int32), layout.context, -1)
            chosen[HISTORY] = tf.stack([classes, ages], axis=-1)
    return {"input_ids": windows.cut(layout.context, layout.padding), **chosen}


def token_values(features: Batch, layout: Layout) -> Batch:
    """Return the token features of all rows, one value for each token: (tokens,) float32 or int32, by name."""
    numbers = {name: features[name].values for name in layout.token_numbers}
    categories = {name: tf.cast(features[name].values, tf.int32) for name in layout.token_categories}
    return {**numbers, **categories}


def basket_ages(windows: Windows, features: Batch, layout: Layout) -> tf.Tensor:
    """Return the ages of the baskets of the tokens of windows, 1 for the latest, 0 for padding: (windows, K) int32."""
    numbers = windows.cut_of(features[BASKET].values, layout.context, -1)
    return tf.cast(
        tf.where(numbers < 0, tf.zeros_like(numbers), tf.expand_dims(windows.baskets, 1) - numbers), tf.int32
    )


def counted_tokens(windows: Windows, features: Batch, layout: Layout) -> tf.Tensor:
    """Return the last tokens before each label, with the ids of the n-gram counts: (windows, layout.counted) int32.

    The ids are those of `components.baselines.reading.Encoder`: the ids of the label vocabulary for shape `sequence`,
    otherwise of the input vocabulary; then one id for all other tokens, and one for the positions before the first
    token.

    Args:
        windows: Windows, each from the start of its row.
        features: Parsed rows.
        layout: Layout of an example.
    """
    if not layout.counted:
        return tf.zeros([windows.count, 0], tf.int32)
    other = layout.counted_ids
    if layout.shape == "sequence":
        labels = tf.cast(features["label_ids"].values, tf.int32)
        ids = tf.where(labels < 0, other, labels)
    else:
        ids = tf.minimum(windows.values, other)
    return replace(windows, values=ids).cut(layout.counted, other + 1)


def model_targets(windows: Windows, features: Batch, layout: Layout) -> Batch:
    """Return the targets of the model: `label`, and the further targets of the row of each window.

    Classes are (windows,) int32, -1 if unknown or missing. Several labels are (windows, most) int32, with `PADDING`
    after the last label of a row; see `Layout.most_labels`. Numbers are (windows,) float32 in the units of the column,
    NaN if missing. With weights, the key `WEIGHT` holds them, (windows,) float32.
    """
    labels = windows.labels
    if isinstance(labels, tf.RaggedTensor):
        labels = labels.to_tensor(PADDING, shape=[None, layout.most_labels])
    weights = {WEIGHT: label_weights(windows, features, layout)} if layout.weighted else {}
    return {LABEL: labels, **row_targets(windows.rows, features, layout), **weights}


def row_features(rows: tf.Tensor, features: Batch, layout: Layout) -> Batch:
    """Return the features of the rows with the given indices."""
    return {name: tf.gather(features[name], rows) for name in (*layout.numbers, *layout.categories)}


def row_targets(rows: tf.Tensor, features: Batch, layout: Layout) -> Batch:
    """Return the further targets of the rows with the given indices."""
    numbers = {name: tf.gather(features[name], rows) for name in layout.target_numbers}
    classes = {name: tf.cast(tf.gather(features[name], rows), tf.int32) for name in layout.target_counts}
    return {**numbers, **classes}


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
