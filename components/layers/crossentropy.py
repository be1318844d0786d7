"""Loss that pairs with `SampledSoftmax` in `compile` and `fit`."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from components.compat.keras import masked
from components.layers.forward import forward_of

# Keras hands labels to losses as float32, which holds every integer up to here.
_MOST_CLASSES = 1 << 24


@keras.saving.register_keras_serializable("bigvocab")
class SampledCrossentropy(keras.losses.Loss):
    """Cross entropy of a model whose output is a `SampledSoftmax` layer.

    In training it is the layer's `sampled_loss`, with other draws at each step and on each replica. Elsewhere, as for
    `val_loss`, it is the exact cross entropy over all classes. It reads the layer's input and not the logits, so the
    layer must be the model's last operation.

    `y_true` holds integer labels, (...) or (..., 1), where the output is (..., classes). Rows whose label is -1, as
    outside the vocabulary, have a loss of 0 and do not count in the mean; neither do masked steps.

    Args:
        reduction: Reduction of Keras over the rows.
        name: Name of the loss.

    Raises:
        ValueError: On a call, if `y_pred` is not the output of a `SampledSoftmax` itself, if that has more than
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
        # Always float32, as the layer's output: a cast would give another tensor, of which the layer knows nothing.
        super().__init__(name=name, reduction=reduction, dtype="float32")

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Return the loss of each row, (...) float32 nats.

        Args:
            y_true: (...) or (..., 1) labels.
            y_pred: (..., classes) output of the layer.
        """
        shape = y_true.shape
        # The rank is unknown where `fit` was called with labels of either shape.
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
        # Not that of `y_pred`, which is computed only if something reads it.
        before_width = tf.shape(forward.hidden)[:-1]
        losses = tf.reshape(losses, before_width)
        # Keras leaves masked rows out of the mean.
        return masked(losses, tf.reshape(labels >= 0, before_width))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the loss."""
        return {"name": self.name, "reduction": self.reduction}
