"""Rows of tables: how they are read, and their gradients, which may hold a row several times."""

# TensorFlow's annotations are narrower than what it takes and gives.
# pyright: reportArgumentType=false, reportOptionalMemberAccess=false, reportOptionalOperand=false

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

Gradient = tf.Tensor | tf.IndexedSlices


def gather_rows(variable: keras.Variable, ids: tf.Tensor) -> tf.Tensor:
    """Rows of a table by id, and nothing else of it: what is read of a table whose rows are updated one by one is
    copied first.

    TensorFlow reads the rows alone of its own variables, but the whole of a mirrored one; of that, the copy of the
    replica that asks is its own variable.
    """
    value = variable.value
    if isinstance(value, tf.distribute.DistributedValues) and not tf.distribute.in_cross_replica_context():
        handle = value.handle
        value = next(copy for copy in value.values if copy.handle is handle)
    return tf.gather(value, ids)


def sum_duplicates(gradient: tf.IndexedSlices) -> tf.IndexedSlices:
    """The same gradient with each row once, as the sum of its parts.

    A row comes several times where a batch holds an id several times, where replicas are joined, and where a table is
    used in several places. The square of the gradient is that of the sum.
    """
    rows, where = tf.unique(gradient.indices)
    count = tf.shape(rows)[0]
    # unique() keeps the order: where nothing repeats, there is nothing to be done.
    values = tf.cond(
        tf.equal(count, tf.shape(where)[0]),
        lambda: gradient.values,
        lambda: tf.math.unsorted_segment_sum(gradient.values, where, count),
    )
    return tf.IndexedSlices(values, rows, gradient.dense_shape)


def sum_duplicates_once(gradients: Sequence[Gradient | None]) -> list[Gradient | None]:
    """`sum_duplicates` of gradients that all replicas have alike, worked out on one of them for all.

    Args:
        gradients: joined over the replicas; dense ones and None stay what they are.
    """

    def for_all(strategy: tf.distribute.Strategy, gradients: Sequence[Gradient | None]) -> list[Gradient | None]:
        # Those of the first replica: nobody asks for the others' any more, and they are not even copied there.
        firsts = [strategy.experimental_local_results(gradient)[0] for gradient in gradients]
        return [
            strategy.extended.broadcast_to(sum_duplicates(first), g) if isinstance(first, tf.IndexedSlices) else g
            for first, g in zip(firsts, gradients, strict=True)
        ]

    context = tf.distribute.get_replica_context()
    if isinstance(context.strategy, tf.distribute.MirroredStrategy):
        return context.merge_call(for_all, args=(list(gradients),))
    return [sum_duplicates(g) if isinstance(g, tf.IndexedSlices) else g for g in gradients]


def clip(
    gradients: Sequence[Gradient | None],
    clipnorm: float | None = None,
    global_clipnorm: float | None = None,
    clipvalue: float | None = None,
) -> list[Gradient | None]:
    """Clips by the first of the three limits that is set, as Keras does, with duplicate rows summed first.

    Args:
        gradients: over all replicas; None where a variable has none.
        clipnorm: upper bound of each gradient's own L2 norm.
        global_clipnorm: upper bound of the L2 norm of all gradients together.
        clipvalue: bound of each component's absolute value.
    """
    if not (clipnorm or global_clipnorm or clipvalue):
        return list(gradients)
    gradients = [sum_duplicates(g) if isinstance(g, tf.IndexedSlices) else g for g in gradients]
    if clipnorm:
        return [g if g is None else _scaled(g, clipnorm, _square(g)) for g in gradients]
    if global_clipnorm:
        together = tf.add_n([_square(g) for g in gradients if g is not None])
        return [g if g is None else _scaled(g, global_clipnorm, together) for g in gradients]
    return [g if g is None else _with(g, tf.clip_by_value(_values(g), -clipvalue, clipvalue)) for g in gradients]


def _values(gradient: Gradient) -> tf.Tensor:
    return gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient


def _with(gradient: Gradient, values: tf.Tensor) -> Gradient:
    if isinstance(gradient, tf.IndexedSlices):
        return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)
    return values


def _square(gradient: Gradient) -> tf.Tensor:
    """Of the L2 norm."""
    return tf.reduce_sum(tf.square(tf.cast(_values(gradient), tf.float32)))


def _scaled(gradient: Gradient, bound: float, square: tf.Tensor) -> Gradient:
    # max() keeps what is within the bound as it is, and a zero norm from dividing.
    factor = bound / tf.maximum(tf.sqrt(square), bound)
    return _with(gradient, _values(gradient) * tf.cast(factor, _values(gradient).dtype))
