"""Adam, applied in one pass over each variable.

Keras writes an Adam step as some ten operations, each of which reads and writes tensors of the variable's size, and
turns sparse gradients dense on the way. TensorFlow has one fused kernel for it, on CPU and GPU, which computes the same
(Kingma and Ba, "Adam", 2015, the form at the end of section 2):

    m <- m + (1 - b1) (g - m)
    v <- v + (1 - b2) (g^2 - v)
    w <- w - lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps)
"""

# TensorFlow's and Keras's annotations are narrower than what they take and give.
# pyright: reportCallIssue=false, reportArgumentType=false, reportOptionalOperand=false

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


def _handle(variable: Any) -> tf.Tensor:
    """The resource of a Keras variable, a TensorFlow variable, or the local copy of a mirrored one."""
    return (variable.value if isinstance(variable, keras.Variable) else variable).handle


class FusedAdam(keras.optimizers.Adam):
    """`keras.optimizers.Adam` with the update done by `ResourceApplyAdam`: same slots, checkpoints and schedules.

    Gradients that are `tf.IndexedSlices`, as of an embedding, may hold a row several times; such rows are summed, and
    every row of the table moves, as exact Adam demands.

    Raises:
        ValueError: with `amsgrad`, which the kernel does not know.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.amsgrad:
            raise ValueError("FusedAdam has no amsgrad: use keras.optimizers.Adam")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        dtype = variable.dtype
        if isinstance(gradient, tf.IndexedSlices):
            gradient = tf.math.unsorted_segment_sum(gradient.values, gradient.indices, variable.shape[0])
        step = tf.cast(self.iterations + 1, dtype)
        index = self._get_variable_index(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable),
            m=_handle(self._momentums[index]),
            v=_handle(self._velocities[index]),
            beta1_power=tf.pow(tf.cast(self.beta_1, dtype), step),
            beta2_power=tf.pow(tf.cast(self.beta_2, dtype), step),
            lr=tf.cast(learning_rate, dtype),
            beta1=tf.cast(self.beta_1, dtype),
            beta2=tf.cast(self.beta_2, dtype),
            epsilon=tf.cast(self.epsilon, dtype),
            grad=tf.cast(gradient, dtype),
        )
