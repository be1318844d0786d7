"""Loss that pairs with `SampledSoftmax` in `compile` and `fit`."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from components.compat.keras import masked
from components.layers.forward import Forward, forward_of
from components.layers.losses.labels import Labels, LossName

# Keras passes labels to losses as float32, which represents every integer up to this number.
_MOST_CLASSES = 1 << 24


@keras.saving.register_keras_serializable("bigvocab")
class SampledCrossentropy(keras.losses.Loss):
    """Cross entropy of a model whose output is a `SampledSoftmax` layer.

    In training, the loss is the layer's `sampled_loss`, with different draws at each step and on each replica. In
    evaluation, such as for `val_loss`, it is the exact cross entropy over all classes. The loss reads the input of the
    layer, not the logits, so the layer must be the last operation of the model.

    `y_true` holds integer labels, (...) or (..., 1), for an output of shape (..., classes). Rows with the label -1,
    which stands for labels outside the vocabulary, have a loss of 0. These rows and masked steps do not count in the
    mean.

    With `several`, a row has several labels: `y_true` is (..., k), each row filled up with -1 and without repetitions.
    "softmax" is the cross entropy of a target that gives each label of the row the same share, for the question which
    class comes next. "sigmoid" is the sum of the binary cross entropies of all classes, for the question which classes
    apply; use it with `activation="sigmoid"` for probabilities. Rows without labels do not count in the mean. See
    `losses.several_labels`.

    Args:
        reduction: Keras reduction over the rows.
        name: Name of the loss.
        several: Kind of loss for rows with several labels: "softmax" or "sigmoid". None: one label per row.

    Raises:
        ValueError: `several` is none of these.
        ValueError: On a call, if `y_pred` is not the direct output of a `SampledSoftmax`, if that layer has more than
            16,777,216 classes, or if the labels are one-hot.

    Example:
        >>> head = SampledSoftmax(counts=[50, 30, 10, 5, 5], negatives=3)
        >>> loss = SampledCrossentropy()
        >>> hidden, labels = keras.ops.ones((2, 8)), keras.ops.array([0, 4])
        >>> loss(labels, head(hidden, training=True)).shape  # over 3 draws and the row's label
        TensorShape([])
        >>> loss(labels, head(hidden)).shape  # over all classes
        TensorShape([])
    """

    def __init__(
        self,
        reduction: str = "sum_over_batch_size",
        name: str = "sampled_crossentropy",
        several: LossName | None = None,
    ) -> None:
        if several not in (None, "softmax", "sigmoid"):
            raise ValueError(f"several is {several!r}: it must be 'softmax', 'sigmoid' or None")
        # Always float32, as the output of the layer is: a cast would return a new tensor without the recorded call.
        super().__init__(name=name, reduction=reduction, dtype="float32")
        self.several: LossName | None = several

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Return the loss of each row, (...) float32 nats.

        Args:
            y_true: (...) or (..., 1) labels; (..., k) with `several`.
            y_pred: (..., classes) output of the layer.
        """
        shape = y_true.shape
        # The rank is unknown if `fit` was called with labels of both shapes.
        if self.several is None and shape.rank == y_pred.shape.rank and shape[-1] not in (1, None):
            raise ValueError(
                f"SampledCrossentropy takes one integer label a row, not y_true of shape {tuple(shape)}: "
                "of one-hot labels take the argmax over the last axis; for several labels a row set `several`"
            )
        forward = forward_of(y_pred, "SampledCrossentropy")
        if forward is None:
            return tf.zeros(tf.shape(y_pred)[:-1])
        if forward.head.classes > _MOST_CLASSES:
            raise ValueError(
                f"SampledCrossentropy takes up to {_MOST_CLASSES:,} classes, not {forward.head.classes:,}, for Keras "
                "rounds larger labels: call SampledSoftmax.sampled_loss in a train_step of your own"
            )
        labels = tf.cast(y_true, tf.int32)
        losses, known = _of_one(forward, labels) if self.several is None else _of_several(forward, labels, self.several)
        # Not the shape of `y_pred`: TensorFlow computes `y_pred` only if something reads it.
        before_width = tf.shape(forward.hidden)[:-1]
        losses = tf.reshape(losses, before_width)
        # Keras leaves masked rows out of the mean.
        return masked(losses, tf.reshape(known, before_width))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the loss."""
        return {"name": self.name, "reduction": self.reduction, "several": self.several}


def _of_one(forward: Forward, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the loss of each row, and a mask of the rows with a label, (rows,) each."""
    labels = tf.reshape(labels, [-1])
    if forward.seed is None:
        return forward.head.exact_loss(forward.rows, labels), labels >= 0
    return forward.head.sampled_loss(forward.rows, labels, forward.seed), labels >= 0


def _of_several(forward: Forward, labels: tf.Tensor, kind: LossName) -> tuple[tf.Tensor, tf.Tensor]:
    rows = tf.reshape(labels, [tf.shape(forward.rows)[0], -1])
    flat = Labels.of(rows)
    if forward.seed is None:
        losses = forward.head.exact_loss_of_several(forward.rows, flat, kind)
    else:
        losses = forward.head.sampled_loss_of_several(forward.rows, flat, forward.seed, kind)
    return losses, tf.reduce_any(rows >= 0, axis=1)
