"""Calibration of a softmax on data that it was not trained on."""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from components.layers.softmax import LOGITS, in_chunks

# Largest sharpness. A model may be too cautious, but a few labels must not make it certain.
_SHARPEST = 4.0
# Halvings of the interval [0, 4], to a width of 1/1000.
_HALVINGS = 12
# Bounds of the temperature. The logits of a few labels have no minimum within them if all labels are the best class.
_COLDEST, _HOTTEST = 1 / 8, 16.0
# Relative change of the temperature at which the fit ends, and the maximum number of passes over the classes.
_CHANGE, _PASSES = 1e-3, 40


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


def fit_temperature(hidden: tf.Tensor, table: tf.Tensor, bias: tf.Tensor, labels: tf.Tensor) -> float:
    """Return the temperature T in [1/8, 16] with the least mean negative log-likelihood of the labels.

        p = softmax(z / T),   z = hidden table^T + bias

    The negative log-likelihood f is convex in s = 1 / T, with these derivatives:

        f' = mean(E_p[z] - z_label),   f'' = mean(Var_p[z])

    Newton's method finds the root of f'. Each derivative narrows an interval that contains the root, and a step out of
    this interval is replaced by the geometric mean of its ends. A fit takes about five passes over the classes.

    Source: Guo et al., "On Calibration of Modern Neural Networks" (2017).

    Args:
        hidden: (batch, width) float32, of examples that the model was not trained on.
        table: (classes, width) float32.
        bias: (classes,) float32.
        labels: (batch,) integers, -1 outside the vocabulary. At least one must be known.
    """
    known = tf.where(labels >= 0)[:, 0]
    hidden, labels = tf.gather(hidden, known), tf.gather(labels, known)

    @tf.function(autograph=False)
    def derivatives(sharpness: tf.Tensor) -> tf.Tensor:
        def of(start: tf.Tensor, end: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            logits = tf.nn.bias_add(tf.matmul(hidden[start:end], table, transpose_b=True), bias)
            # Probable classes then have logits near 0, so that the variance is not the difference of large squares.
            logits -= tf.reduce_max(logits, axis=1, keepdims=True)
            weighted = tf.nn.softmax(sharpness * logits) * logits
            mean, square = tf.reduce_sum(weighted, axis=1), tf.reduce_sum(weighted * logits, axis=1)
            own = tf.gather(logits, labels[start:end], batch_dims=1)
            return mean - own, square - tf.square(mean)

        chunk = max(1, LOGITS // table.shape[0])
        found = in_chunks(tf.shape(labels)[0], chunk, of, (tf.TensorSpec([], tf.float32),) * 2)
        return tf.stack([tf.reduce_mean(tf.cast(each, tf.float64)) for each in found])

    low, high, sharpness = 1 / _HOTTEST, 1 / _COLDEST, 1.0
    for _ in range(_PASSES):
        slope, curvature = derivatives(tf.constant(sharpness)).numpy().tolist()
        low, high = (low, sharpness) if slope > 0 else (sharpness, high)
        new = sharpness - slope / curvature if curvature > 0 else high
        new = new if low < new < high else math.sqrt(low * high)
        change, sharpness = abs(new - sharpness), new
        if change <= _CHANGE * sharpness:
            break
    return 1 / sharpness
