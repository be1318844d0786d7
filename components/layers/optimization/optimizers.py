"""Adam for models whose weights are mostly tables: exact in one pass, or only on the rows of a step.

Keras implements an Adam step as about ten operations that each read and write tensors of the size of the variable, and
converts sparse gradients to dense ones. Both optimizers here have the slots of `keras.optimizers.Adam`, so checkpoints
and learning-rate schedules are interchangeable.

The step t with the gradient g (Kingma and Ba, "Adam", 2015, the form at the end of section 2):

    m <- m + (1 - b1) (g - m)
    v <- v + (1 - b2) (g^2 - v)
    w <- w - lr sqrt(1 - b2^t) / (1 - b1^t) m / (sqrt(v) + eps)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from components.compat.keras import OpenAdam
from components.layers.optimization.gradients import clip, sum_duplicates_once


@keras.saving.register_keras_serializable("bigvocab")
class FusedAdam(OpenAdam):
    """Exact Adam, equal to `keras.optimizers.Adam`, that updates a variable in one pass by `ResourceApplyAdam`.

    The optimizer sums duplicate rows of a sparse gradient (`tf.IndexedSlices`, such as that of an embedding), and moves
    every row of the table, as exact Adam requires. Weight decay is decoupled (Loshchilov and Hutter, "Decoupled Weight
    Decay Regularization", 2019) and shrinks every row. Clipping applies to the gradient after the sum over replicas and
    duplicate rows; Keras clips the gradient of each replica, and each duplicate, separately.

    The arguments are those of `keras.optimizers.Adam`.

    Raises:
        ValueError: `amsgrad` is set, which the kernel does not support.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.amsgrad:
            raise ValueError(f"{type(self).__name__} has no amsgrad: use keras.optimizers.Adam")

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Apply one exact step to a variable in place, after converting a sparse gradient to a dense one."""
        dtype = variable.dtype
        if isinstance(gradient, tf.IndexedSlices):
            gradient = tf.math.unsorted_segment_sum(gradient.values, gradient.indices, variable.shape[0])
        step = tf.cast(self.iterations + 1, dtype)
        momentum, velocity = self.slots(variable)
        tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable),
            m=_handle(momentum),
            v=_handle(velocity),
            beta1_power=tf.pow(tf.cast(self.beta_1, dtype), step),
            beta2_power=tf.pow(tf.cast(self.beta_2, dtype), step),
            lr=tf.cast(learning_rate, dtype),
            beta1=tf.cast(self.beta_1, dtype),
            beta2=tf.cast(self.beta_2, dtype),
            epsilon=tf.cast(self.epsilon, dtype),
            grad=tf.cast(gradient, dtype),
        )

    def summed(self, gradients: Sequence[Any]) -> Sequence[Any]:
        """Return the gradients, clipped by `clipnorm`, `global_clipnorm` or `clipvalue`."""
        return clip(gradients, self.clipnorm, self.global_clipnorm, self.clipvalue)


@keras.saving.register_keras_serializable("bigvocab")
class RowAdam(FusedAdam):
    """Adam that updates only the rows of a table that have a gradient in a step.

    A sparse gradient (`tf.IndexedSlices`) moves its rows, with duplicates summed, and leaves the rest of w, m and v
    unchanged, so the cost of a step does not depend on the size of the table. The bias corrections count all steps, not
    the steps of a row. TensorFlow Addons calls this optimizer `LazyAdam`, PyTorch `SparseAdam`. Unlike in exact Adam,
    the momentum of a row without a gradient neither moves the row nor decays. Dense gradients get the exact step.
    Weight decay shrinks only the updated rows.

    The arguments are those of `keras.optimizers.Adam`, without `amsgrad`.
    """

    decays_in_update = True  # Only the update knows the rows.

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Apply one step in place: to the rows of a sparse gradient, or to the whole variable."""
        dtype = variable.dtype
        rate = tf.cast(learning_rate, dtype)
        decay = rate * self.weight_decay if self.decays(variable) else None
        if not isinstance(gradient, tf.IndexedSlices):
            if decay is not None:
                variable.assign_sub(decay * variable)
            super().update_step(gradient, variable, learning_rate)
            return
        rows, g = gradient.indices, tf.cast(gradient.values, dtype)
        w, m, v = map(_handle, (variable, *self.slots(variable)))
        step = tf.cast(self.iterations + 1, dtype)
        b1, b2 = tf.cast(self.beta_1, dtype), tf.cast(self.beta_2, dtype)
        rate *= tf.sqrt(1 - tf.pow(b2, step)) / (1 - tf.pow(b1, step))
        m_rows = b1 * tf.raw_ops.ResourceGather(resource=m, indices=rows, dtype=dtype) + (1 - b1) * g
        v_rows = b2 * tf.raw_ops.ResourceGather(resource=v, indices=rows, dtype=dtype) + (1 - b2) * tf.square(g)
        moved = rate * m_rows / (tf.sqrt(v_rows) + tf.cast(self.epsilon, dtype))
        if decay is not None:
            moved += decay * tf.raw_ops.ResourceGather(resource=w, indices=rows, dtype=dtype)
        tf.raw_ops.ResourceScatterUpdate(resource=m, indices=rows, updates=m_rows)
        tf.raw_ops.ResourceScatterUpdate(resource=v, indices=rows, updates=v_rows)
        tf.raw_ops.ResourceScatterSub(resource=w, indices=rows, updates=moved)

    def summed(self, gradients: Sequence[Any]) -> Sequence[Any]:
        """Return the clipped gradients, with each row of a sparse gradient once."""
        return sum_duplicates_once(super().summed(gradients))


def _handle(variable: Any) -> tf.Tensor:
    """Return the resource of a Keras variable, a TensorFlow variable, or the local copy of a mirrored variable."""
    return (variable.value if isinstance(variable, keras.Variable) else variable).handle
