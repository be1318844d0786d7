"""Calibration of a softmax on data that it was not trained on."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from components.layers.softmax import LOGITS, in_chunks

# Largest sharpness. A model may be too cautious, but a few labels must not make it certain.
_SHARPEST = 4.0
# Halvings of the interval [0, 4], to a width of 1/1000.
_HALVINGS = 12


def calibrated(hidden: tf.Tensor, bias: tf.Tensor, log_prior: tf.Tensor, sharpness: Any) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the hidden vectors and the bias of the calibrated softmax.

        z' = log f + s (z - log f) = (s h) . v + s b + (1 - s) log f

    f holds the frequencies of the classes. s = 1 gives the model itself, s = 0 the frequencies alone. This is
    temperature scaling (Guo et al., "On Calibration of Modern Neural Networks", 2017), with the frequencies in place
    of the uniform distribution as its limit. A model that knows nothing about a target then predicts the frequencies.

    Args:
        hidden: (batch, width) float32.
        bias: (classes,) float32.
        log_prior: (classes,) float32, log f.
        sharpness: Scalar, s.
    """
    return sharpness * hidden, sharpness * bias + (1.0 - sharpness) * log_prior


def fit_sharpness(
    hidden: tf.Tensor, table: tf.Tensor, bias: tf.Tensor, log_prior: tf.Tensor, labels: tf.Tensor
) -> float:
    """Return the sharpness s in [0, 4] with the least mean negative log-likelihood of the labels.

    The negative log-likelihood is convex in s, because the logits are linear in s. Its derivative is the mean of
    E_p[d] - d_label with d = z - log f, and bisection finds the root of the derivative.

    Args:
        hidden: (batch, width) float32, of examples that the model was not trained on.
        table: (classes, width) float32.
        bias: (classes,) float32.
        log_prior: (classes,) float32, log f.
        labels: (batch,) integers, -1 outside the vocabulary. At least one must be known.
    """
    known = tf.where(labels >= 0)[:, 0]
    hidden, labels = tf.gather(hidden, known), tf.gather(labels, known)

    @tf.function(autograph=False)
    def slope(sharpness: tf.Tensor) -> tf.Tensor:
        def of(start: tf.Tensor, end: tf.Tensor) -> tuple[tf.Tensor]:
            difference = tf.matmul(hidden[start:end], table, transpose_b=True) + bias - log_prior
            p = tf.nn.softmax(log_prior + sharpness * difference)
            own = tf.gather(difference, labels[start:end], batch_dims=1)
            return (tf.reduce_sum(p * difference, axis=1) - own,)

        chunk = max(1, LOGITS // table.shape[0])
        return tf.reduce_mean(in_chunks(tf.shape(labels)[0], chunk, of, (tf.TensorSpec([], tf.float32),))[0])

    low, high = 0.0, _SHARPEST
    if slope(tf.constant(low)) >= 0:
        return low
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if slope(tf.constant(middle)) > 0 else (middle, high)
    return (low + high) / 2
