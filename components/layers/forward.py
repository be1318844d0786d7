"""The call of a `SampledSoftmax` behind its output: the loss and `TopClasses` read it in place of the logits.

Keras hands masks, and the logits behind a softmax, to losses in the same way: as attributes of the tensor. What reads
the call does not read the tensor, whose matrix product TensorFlow then leaves out of the graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import tensorflow as tf

from components.compat.keras import in_symbolic_scope

if TYPE_CHECKING:
    from components.layers.head import SampledSoftmax

_ATTRIBUTE = "_bigvocab_forward"


class Forward(NamedTuple):
    """Call of a `SampledSoftmax` layer.

    Attributes:
        head: The layer.
        hidden: (..., width) float, its input.
        seed: (2,) int32 seed of the step's draws; None outside training.
    """

    head: SampledSoftmax
    hidden: tf.Tensor
    seed: tf.Tensor | None

    @property
    def rows(self) -> tf.Tensor:
        """(rows, width) float, the input as a matrix."""
        return as_rows(self.hidden)


def mark(outputs: tf.Tensor, forward: Forward) -> tf.Tensor:
    """Return the output of a layer, with the call that gave it."""
    setattr(outputs, _ATTRIBUTE, forward)
    return outputs


def forward_of(outputs: tf.Tensor, reader: str) -> Forward | None:
    """Return the call that gave an output; None while Keras builds a model without calling its layers.

    Args:
        outputs: (..., classes) output of a `SampledSoftmax`.
        reader: Name for the message.

    Raises:
        ValueError: Another operation gave the tensor.
    """
    forward = getattr(outputs, _ATTRIBUTE, None)
    if forward is None and not in_symbolic_scope():
        raise ValueError(
            f"{reader} was given a tensor that no SampledSoftmax layer returned: apply it to the output of that layer, "
            "which must be the last; for other logits Keras has SparseCategoricalCrossentropy(from_logits=True)"
        )
    return forward


def as_rows(hidden: tf.Tensor) -> tf.Tensor:
    """Return (..., width) as (rows, width)."""
    return hidden if len(hidden.shape) == 2 else tf.reshape(hidden, [-1, hidden.shape[-1]])


def like(hidden: tf.Tensor, rows: tf.Tensor, width: int) -> tf.Tensor:
    """Return (rows, width) in the shape of the hidden vectors but for the last axis."""
    if len(hidden.shape) == 2:
        return rows
    shaped = tf.reshape(rows, tf.concat([tf.shape(hidden)[:-1], [width]], axis=0))
    return tf.ensure_shape(shaped, [*hidden.shape[:-1], width])
