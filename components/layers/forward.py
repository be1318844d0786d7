"""Record of the call of a `SampledSoftmax` on its output, which the loss and `TopClasses` read instead of the logits.

Keras passes masks, and the logits of a softmax, to losses in the same way: as attributes of the tensor. If only the
record is read, and not the tensor, TensorFlow leaves the matrix product of the logits out of the graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import tensorflow as tf

from components.compat.keras import in_symbolic_scope

if TYPE_CHECKING:
    from components.layers.head import SampledSoftmax

_ATTRIBUTE = "_bigvocab_forward"


class Forward(NamedTuple):
    """Record of a call of a `SampledSoftmax` layer.

    Attributes:
        head: Layer that was called.
        hidden: (..., width) float input of the layer.
        seed: (2,) int32 seed of the draws of the step; None outside training.
    """

    head: SampledSoftmax
    hidden: tf.Tensor
    seed: tf.Tensor | None

    @property
    def rows(self) -> tf.Tensor:
        """Input as a matrix, (rows, width) float."""
        return as_rows(self.hidden)


def mark(outputs: tf.Tensor, forward: Forward) -> tf.Tensor:
    """Return the output of a layer with the record of its call attached."""
    setattr(outputs, _ATTRIBUTE, forward)
    return outputs


def forward_of(outputs: tf.Tensor, reader: str) -> Forward | None:
    """Return the record of the call that computed an output; None while Keras builds a model without calling layers.

    Args:
        outputs: (..., classes) output of a `SampledSoftmax`.
        reader: Name of the reader in the error message.

    Raises:
        ValueError: Another operation computed the tensor.
    """
    forward = getattr(outputs, _ATTRIBUTE, None)
    if forward is None and not in_symbolic_scope():
        raise ValueError(
            f"{reader} was given a tensor that no SampledSoftmax layer returned: apply it to the output of that layer, "
            "which must be the last; for other logits Keras has SparseCategoricalCrossentropy(from_logits=True)"
        )
    return forward


def as_rows(hidden: tf.Tensor) -> tf.Tensor:
    """Reshape (..., width) hidden vectors to (rows, width)."""
    return hidden if len(hidden.shape) == 2 else tf.reshape(hidden, [-1, hidden.shape[-1]])


def like(hidden: tf.Tensor, rows: tf.Tensor, width: int) -> tf.Tensor:
    """Reshape (rows, width) to the shape of the hidden vectors, with `width` as the last axis."""
    if len(hidden.shape) == 2:
        return rows
    shaped = tf.reshape(rows, tf.concat([tf.shape(hidden)[:-1], [width]], axis=0))
    return tf.ensure_shape(shaped, [*hidden.shape[:-1], width])
