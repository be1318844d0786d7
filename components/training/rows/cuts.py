"""Cuts: parts of rows that a causal encoder processes at once, each with the labels that follow its positions.

A row of at most `context` input ids is one cut. A longer row is cut with overlap. Let C be the context and
S = C - floor(C / 4). The label that follows the first p ids of its row belongs to cut j, and sees the ids [j S, p):

    j = max(0, ceil((p - C) / S))

Each label thus belongs to exactly one cut, and sees all ids before it or at least C / 4 of them. The ids that a label
sees depend only on p, not on the rest of the row. Therefore training, evaluation and serving give an encoder the same
ids for the same position in a row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import tensorflow as tf

from components.training.data.layout import COUNTED, LABEL, Batch, Layout
from components.training.data.values import counted_tokens, row_features, row_targets, token_values
from components.training.data.weights import WEIGHT, label_weights
from components.training.data.windows import Windows

OVERLAP = 4
"""Context divided by the number of ids by which a cut overlaps the one before it."""
NO_LABEL = -2
"""Label of the positions in a batch without a label. The label -1 is a class outside the vocabulary."""
TOTAL = "labels_in_batch"
"""Key of the number of labels in the batch, over all replicas, among the targets of a batch."""


def cut_starts(lengths: tf.Tensor, context: int) -> tf.Tensor:
    """Return the start within the row of the cut of the label that follows the first `lengths` ids of the row."""
    stride = context - context // OVERLAP
    beyond = tf.maximum(lengths - context, 0)
    return (beyond + stride - 1) // stride * stride


@dataclass(frozen=True)
class Cuts:
    """Cuts of a batch of rows that have at least one label.

    Attributes:
        windows: Window of each label, from the start of its cut to the label, in the order of the cuts and of the
            positions in a cut.
        firsts: (cuts + 1,) int32 index of the first window of each cut, followed by the number of windows.
        counted: (windows, layout.counted) int32 last tokens of the row before each label, which a mixture with counts
            looks up: see `windows.counted_tokens`. The tokens may lie before the cut.
    """

    windows: Windows
    firsts: tf.Tensor
    counted: tf.Tensor

    @classmethod
    def of(cls, windows: Windows, features: Batch, layout: Layout) -> Cuts:
        """Return the cuts of windows that are in the order of the rows and of the positions in a row.

        Args:
            windows: Any selection of the windows of the rows, each from the start of its row.
            features: Parsed rows.
            layout: Layout of an example. Its context is C, the maximum number of ids of a cut.
        """
        counted = counted_tokens(windows, features, layout)
        starts = windows.starts + cut_starts(windows.ends - windows.starts, layout.context)
        # An empty row and the row after it have the same start, so the row number is compared too.
        place = tf.stack([tf.cast(windows.rows, tf.int64), tf.cast(starts, tf.int64)], axis=1)
        new = tf.reduce_any(place[1:] != place[:-1], axis=1)
        count = tf.shape(windows.labels)[:1]
        # Without windows there are no cuts.
        firsts = tf.concat(
            [tf.zeros_like(windows.labels[:1], tf.int32), tf.cast(tf.where(new)[:, 0], tf.int32) + 1, count], 0
        )
        return cls(replace(windows, starts=starts), firsts, counted)

    @property
    def count(self) -> tf.Tensor:
        """Number of cuts, a scalar int32."""
        return tf.shape(self.firsts)[0] - 1

    @property
    def labels(self) -> tf.Tensor:
        """Number of labels of each cut, (cuts,) int32."""
        return self.firsts[1:] - self.firsts[:-1]

    @property
    def lengths(self) -> tf.Tensor:
        """Number of ids of each cut, (cuts,) int32; 0 for an empty row."""
        last = tf.gather(self.windows.ends, self.firsts[1:] - 1)
        return tf.cast(last - tf.gather(self.windows.starts, self.firsts[:-1]), tf.int32)

    def take(self, which: tf.Tensor) -> Cuts:
        """Select cuts by index, in the order of `which`."""
        starts, ends = tf.gather(self.firsts, which), tf.gather(self.firsts, which + 1)
        chosen = tf.ragged.range(starts, ends)
        firsts = tf.cast(chosen.row_splits, tf.int32)
        return Cuts(self.windows.take(chosen.values), firsts, tf.gather(self.counted, chosen.values))

    def places(self) -> tf.Tensor:
        """Return the cut of each label, and the position of the id before it: (windows, 2) int32.

        The position is 0 in an empty row.
        """
        positions = tf.cast(tf.maximum(self.windows.ends - self.windows.starts - 1, 0), tf.int32)
        return tf.stack([tf.repeat(tf.range(self.count), self.labels), positions], axis=1)

    def inputs(self, features: Batch, layout: Layout) -> Batch:
        """Return the inputs of the model for all cuts.

        Args:
            features: Parsed rows.
            layout: Layout of an example.

        Returns:
            `input_ids` (cuts, L) int32, padded on the right, with L >= 1; the token features, (cuts, L) with the same
            padding; the features of the row of each cut, (cuts,).
            For a mixture with counts, also `COUNTED` (cuts, L, layout.counted) int32: the tokens before the label that
            follows each position, and arbitrary ids if no label follows.
        """
        starts, lengths = tf.gather(self.windows.starts, self.firsts[:-1]), self.lengths
        steps = tf.range(tf.reduce_max(tf.concat([lengths, [1]], 0)))
        places = starts[:, tf.newaxis] + tf.cast(steps, starts.dtype)
        # A padding is appended, because a batch with only empty rows has no values to gather.
        last = tf.shape(self.windows.values, out_type=places.dtype)[0]
        places = tf.where(steps < lengths[:, tf.newaxis], places, last)

        def cut(values: tf.Tensor, padding: int) -> tf.Tensor:
            return tf.gather(tf.concat([values, [tf.cast(padding, values.dtype)]], 0), places)

        ids = cut(self.windows.values, layout.padding)
        chosen = row_features(self._rows, features, layout)
        paddings = layout.token_paddings
        chosen |= {name: cut(values, paddings[name]) for name, values in token_values(features, layout).items()}
        if layout.counted:
            none = tf.zeros([*tf.unstack(tf.shape(ids)), layout.counted], tf.int32)
            chosen[COUNTED] = tf.tensor_scatter_nd_update(none, self.places(), self.counted)
        return {"input_ids": ids, **chosen}

    def targets(self, inputs: Batch, features: Batch, layout: Layout) -> Batch:
        """Return the targets of the model for all cuts.

        Args:
            inputs: Inputs of the model for all cuts.
            features: Parsed rows.
            layout: Layout of an example.

        Returns:
            `label` (cuts, L) int32, the class that follows each position, or `NO_LABEL`; the further targets of the
            row of each cut, (cuts,); `TOTAL`, the number of all labels, repeated for each cut. With weights, `WEIGHT`
            (cuts, L) float32, the weight of each label.
        """
        none = tf.fill(tf.shape(inputs["input_ids"]), NO_LABEL)
        labels = tf.tensor_scatter_nd_update(none, self.places(), self.windows.labels)
        total = tf.fill([self.count], self.firsts[-1])
        found = {LABEL: labels, **row_targets(self._rows, features, layout), TOTAL: total}
        if layout.weighted:
            weights = label_weights(self.windows, features, layout)
            found[WEIGHT] = tf.tensor_scatter_nd_update(tf.zeros(tf.shape(none)), self.places(), weights)
        return found

    @property
    def _rows(self) -> tf.Tensor:
        return tf.gather(self.windows.rows, self.firsts[:-1])


def filled_up(inputs: Batch, targets: Batch, multiple: int, padding: int) -> tuple[Batch, Batch]:
    """Append rows without ids and labels, until the number of rows can be divided among replicas.

    Args:
        inputs: Inputs of the model.
        targets: Targets of the model.
        multiple: Number of replicas.
        padding: Id at positions without a token.
    """
    more = -tf.shape(inputs["input_ids"])[0] % multiple
    fill = {"input_ids": padding, LABEL: NO_LABEL, TOTAL: tf.reduce_max(targets[TOTAL])}

    def appended(batch: Batch) -> Batch:
        return {
            name: tf.pad(
                values,
                [[0, more], *[[0, 0]] * (values.shape.rank - 1)],
                constant_values=tf.cast(fill.get(name, 0), values.dtype),
            )
            for name, values in batch.items()
        }

    return appended(inputs), appended(targets)
