"""Reads of table rows, and sums of gradients that contain a row several times."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

Gradient = tf.Tensor | tf.IndexedSlices


def gather_rows(variable: keras.Variable, ids: tf.Tensor) -> tf.Tensor:
    """Return rows of a table by id, without reading the rest of the table.

    TensorFlow copies a table before a read of the whole table, if the table gets updates of single rows. TensorFlow
    reads single rows of a plain variable, but the whole of a mirrored variable. The copy of a mirrored variable on the
    calling replica is a plain variable.

    Args:
        variable: (rows, ...) table.
        ids: Integers of any shape.

    Returns:
        Rows, with the shape of `ids` followed by the shape of a row.
    """
    value = variable.value
    if isinstance(value, tf.distribute.DistributedValues) and not tf.distribute.in_cross_replica_context():
        handle = value.handle
        value = next(copy for copy in value.values if copy.handle is handle)
    return tf.gather(value, ids)


def sum_duplicates(gradient: tf.IndexedSlices) -> tf.IndexedSlices:
    """Return the same gradient with duplicate rows summed into one.

    A row occurs several times if a batch contains an id several times, if replicas are joined, or if a table is used
    in several places. Adam and clipping square the gradient, so they need the sum.

    Args:
        gradient: (n, ...) slices, whose indices may repeat.
    """
    rows, where = tf.unique(gradient.indices)
    count = tf.shape(rows)[0]
    # unique() keeps the order, so values without repetitions need no sum.
    values = tf.cond(
        tf.equal(count, tf.shape(where)[0]),
        lambda: gradient.values,
        lambda: tf.math.unsorted_segment_sum(gradient.values, where, count),
    )
    return tf.IndexedSlices(values, rows, gradient.dense_shape)


def sum_duplicates_once(gradients: Sequence[Gradient | None]) -> list[Gradient | None]:
    """Apply `sum_duplicates` on one replica to gradients that are equal on all replicas, and pass the result to all.

    Call the function in replica context.

    Args:
        gradients: Gradients joined over the replicas. Dense gradients and None are returned unchanged.
    """

    def for_all(strategy: tf.distribute.Strategy, gradients: Sequence[Gradient | None]) -> list[Gradient | None]:
        # The gradients of the other replicas are not read, so they are not copied there either.
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
    """Clip gradients by the first of the three limits that is set, as Keras does, with duplicate rows summed first.

    Args:
        gradients: Gradients, summed over all replicas; None for a variable without a gradient.
        clipnorm: Upper bound of the L2 norm of each gradient.
        global_clipnorm: Upper bound of the L2 norm of all gradients together.
        clipvalue: Upper bound of the absolute value of each component.
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


def half_square_norm(gradients: Sequence[Gradient | None]) -> tf.Tensor:
    """Return half the square of the L2 norm of all gradients, a float32 scalar: not finite if a component is not.

    Each gradient is read once. A row that a gradient contains several times counts several times.

    Args:
        gradients: Gradients; None for a variable without a gradient.
    """
    halves = [tf.nn.l2_loss(_values(g)) for g in gradients if g is not None]
    return tf.add_n([tf.cast(half, tf.float32) for half in halves]) if halves else tf.zeros([])


def zeros_if(condition: tf.Tensor, gradients: Sequence[Gradient | None]) -> list[Gradient | None]:
    """Return zeros in place of the gradients if the condition is true, otherwise the gradients without a copy.

    Args:
        condition: Scalar bool.
        gradients: Gradients; None for a variable without a gradient.
    """
    values = [_values(g) for g in gradients if g is not None]
    chosen = iter(tf.cond(condition, lambda: [tf.zeros_like(v) for v in values], lambda: list(values)))
    return [g if g is None else _with(g, next(chosen)) for g in gradients]


def _values(gradient: Gradient) -> tf.Tensor:
    return gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient


def _with(gradient: Gradient, values: tf.Tensor) -> Gradient:
    if isinstance(gradient, tf.IndexedSlices):
        return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)
    return values


def _square(gradient: Gradient) -> tf.Tensor:
    """Return the square of the L2 norm, a float32 scalar."""
    return tf.reduce_sum(tf.square(tf.cast(_values(gradient), tf.float32)))


def _scaled(gradient: Gradient, bound: float, square: tf.Tensor) -> Gradient:
    # max() leaves gradients within the bound unchanged, and avoids a division by a norm of 0.
    factor = bound / tf.maximum(tf.sqrt(square), bound)
    return _with(gradient, _values(gradient) * tf.cast(factor, _values(gradient).dtype))
