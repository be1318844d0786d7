"""Loss that pairs with `SampledSoftmax` in `compile` and `fit`."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from components.compat.keras import masked
from components.layers.forward import forward_of

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

    Args:
        reduction: Keras reduction over the rows.
        name: Name of the loss.

    Raises:
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

    def __init__(self, reduction: str = "sum_over_batch_size", name: str = "sampled_crossentropy") -> None:
        # Always float32, as the output of the layer is: a cast would return a new tensor without the recorded call.
        super().__init__(name=name, reduction=reduction, dtype="float32")

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Return the loss of each row, (...) float32 nats.

        Args:
            y_true: (...) or (..., 1) labels.
            y_pred: (..., classes) output of the layer.
        """
        shape = y_true.shape
        # The rank is unknown if `fit` was called with labels of both shapes.
        if shape.rank == y_pred.shape.rank and shape[-1] not in (1, None):
            raise ValueError(
                f"SampledCrossentropy takes one integer label a row, not y_true of shape {tuple(shape)}: "
                "of one-hot labels take the argmax over the last axis"
            )
        labels = tf.cast(tf.reshape(y_true, [-1]), tf.int32)
        forward = forward_of(y_pred, "SampledCrossentropy")
        if forward is None:
            return tf.zeros(tf.shape(y_pred)[:-1])
        if forward.head.classes > _MOST_CLASSES:
            raise ValueError(
                f"SampledCrossentropy takes up to {_MOST_CLASSES:,} classes, not {forward.head.classes:,}, for Keras "
                "rounds larger labels: call SampledSoftmax.sampled_loss in a train_step of your own"
            )
        if forward.seed is None:
            losses = forward.head.exact_loss(forward.rows, labels)
        else:
            losses = forward.head.sampled_loss(forward.rows, labels, forward.seed)
        # Not the shape of `y_pred`: TensorFlow computes `y_pred` only if something reads it.
        before_width = tf.shape(forward.hidden)[:-1]
        losses = tf.reshape(losses, before_width)
        # Keras leaves masked rows out of the mean.
        return masked(losses, tf.reshape(labels >= 0, before_width))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the loss."""
        return {"name": self.name, "reduction": self.reduction}
