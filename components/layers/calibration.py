"""Calibration of a softmax on data that it was not trained on."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.layers.classes.softmax import LOGITS, in_chunks
from components.layers.losses.bonuses import Bonuses

# Largest sharpness. A model may be too cautious, but a few labels must not make it certain.
_SHARPEST = 4.0
# Halvings of the interval [0, 4], to a width of 1/1000.
_HALVINGS = 12
# Bounds of the temperature. The logits of a few labels have no minimum within them if all labels are the best class.
_COLDEST, _HOTTEST = 1 / 8, 16.0
# Bounds of the scale of the logits of single classes, and the maximum number of halvings of a step.
_LEAST_SCALE, _LARGEST_SCALE, _HALVED = 1 / 16, 8.0, 20
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
    hidden: tf.Tensor,
    table: tf.Tensor,
    bias: tf.Tensor,
    log_prior: tf.Tensor,
    labels: tf.Tensor,
    weights: tf.Tensor | None = None,
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
        weights: (batch,) float32 weights of the rows in the mean, above 0. None: 1.
    """
    hidden, labels, weights = _known(hidden, labels, weights)

    @tf.function(autograph=False)
    def slope(sharpness: tf.Tensor) -> tf.Tensor:
        def of(start: tf.Tensor, end: tf.Tensor) -> tuple[tf.Tensor]:
            difference = tf.matmul(hidden[start:end], table, transpose_b=True) + bias - log_prior
            p = tf.nn.softmax(log_prior + sharpness * difference)
            own = tf.gather(difference, labels[start:end], batch_dims=1)
            return (tf.reduce_sum(p * difference, axis=1) - own,)

        chunk = max(1, LOGITS // table.shape[0])
        found = in_chunks(tf.shape(labels)[0], chunk, of, (tf.TensorSpec([], tf.float32),))[0]
        return tf.reduce_mean(found if weights is None else found * weights)

    low, high = 0.0, _SHARPEST
    if slope(tf.constant(low)) >= 0:
        return low
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if slope(tf.constant(middle)) > 0 else (middle, high)
    return (low + high) / 2


def fit_temperature(
    hidden: tf.Tensor,
    table: tf.Tensor,
    bias: tf.Tensor,
    labels: tf.Tensor,
    weights: tf.Tensor | None = None,
    bonuses: Bonuses | None = None,
) -> float:
    """Return the temperature T in [1/8, 16] with the least mean negative log-likelihood of the labels.

        p = softmax(z / T),   z = hidden table^T + bias + bonuses

    The negative log-likelihood f is convex in s = 1 / T, with these derivatives:

        f' = mean(E_p[z] - z_label),   f'' = mean(Var_p[z])

    Newton's method finds the root of f'. Each derivative narrows an interval that contains the root, and a step out of
    this interval is replaced by the geometric mean of its ends. A fit takes about five passes over the classes.

    Source: Guo et al., "On Calibration of Modern Neural Networks" (2017).

    With several labels, the negative log-likelihood of a row is the mean over its known labels, and so is z_label.

    Args:
        hidden: (batch, width) float32, of examples that the model was not trained on.
        table: (classes, width) float32.
        bias: (classes,) float32.
        labels: (batch,) integers, -1 outside the vocabulary; or (batch, most) integers, negative outside the vocabulary
            and for padding. At least one must be known.
        weights: (batch,) float32 weights of the rows in the mean, above 0. None: 1.
        bonuses: Numbers to add to the logits of some classes of each row; None for none.
    """
    if bonuses is not None:
        bonuses = bonuses.of_rows(_known_rows(labels))
    hidden, labels, weights = _known(hidden, labels, weights)

    @tf.function(autograph=False)
    def derivatives(sharpness: tf.Tensor) -> tf.Tensor:
        def of(start: tf.Tensor, end: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            logits = tf.nn.bias_add(tf.matmul(hidden[start:end], table, transpose_b=True), bias)
            if bonuses is not None:
                logits = bonuses.take(start, end).added(logits, 0, table.shape[0])
            # Probable classes then have logits near 0, so that the variance is not the difference of large squares.
            logits -= tf.reduce_max(logits, axis=1, keepdims=True)
            weighted = tf.nn.softmax(sharpness * logits) * logits
            mean, square = tf.reduce_sum(weighted, axis=1), tf.reduce_sum(weighted * logits, axis=1)
            own = _at_labels(logits, labels[start:end])
            return mean - own, square - tf.square(mean)

        chunk = max(1, LOGITS // table.shape[0])
        found = in_chunks(tf.shape(labels)[0], chunk, of, (tf.TensorSpec([], tf.float32),) * 2)
        return _means(found, weights)

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


def fit_platt(
    hidden: tf.Tensor, table: tf.Tensor, bias: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor | None = None
) -> tuple[float, float]:
    """Return the scale a in [1/16, 8] and the shift c with the least mean binary cross entropy of all classes.

        p = sigmoid(a z + c),   z = hidden table^T + bias

    The loss of a row is the sum over all classes, divided by the number of its known labels. The loss is convex in a
    and c, and Newton's method finds its minimum. With w = p (1 - p), and y = 1 for the labels:

        gradient: sum (p - y) z,  sum (p - y)        Hessian: sum w z^2,  sum w z,  sum w

    A step that does not lower the loss is halved.

    Source: Platt, "Probabilistic Outputs for Support Vector Machines" (1999), for all classes together.

    Args:
        hidden: (batch, width) float32, of examples that the model was not trained on.
        table: (classes, width) float32.
        bias: (classes,) float32.
        labels: (batch, most) integers, negative outside the vocabulary and for padding. At least one must be known.
        weights: (batch,) float32 weights of the rows in the mean, above 0. None: 1.
    """
    hidden, labels, weights = _known(hidden, labels, weights)

    @tf.function(autograph=False)
    def sums(scale: tf.Tensor, shift: tf.Tensor) -> tf.Tensor:
        def of(start: tf.Tensor, end: tf.Tensor) -> tuple[tf.Tensor, ...]:
            logits = tf.nn.bias_add(tf.matmul(hidden[start:end], table, transpose_b=True), bias)
            number = tf.reduce_sum(tf.cast(labels[start:end] >= 0, tf.float32), axis=1)
            own = number * _at_labels(logits, labels[start:end])
            scaled = scale * logits + shift
            p = tf.sigmoid(scaled)
            weight = p * (1.0 - p)
            found = (
                # softplus(-z) - softplus(z) = -z
                tf.reduce_sum(tf.nn.softplus(scaled), axis=1) - (scale * own + shift * number),
                tf.reduce_sum(p * logits, axis=1) - own,
                tf.reduce_sum(p, axis=1) - number,
                tf.reduce_sum(weight * tf.square(logits), axis=1),
                tf.reduce_sum(weight * logits, axis=1),
                tf.reduce_sum(weight, axis=1),
            )
            return tuple(each / number for each in found)

        chunk = max(1, LOGITS // table.shape[0])
        found = in_chunks(tf.shape(labels)[0], chunk, of, (tf.TensorSpec([], tf.float32),) * 6)
        return _means(found, weights)

    def at(point: NDArray[np.float64]) -> NDArray[np.float64]:
        return sums(*(tf.constant(value, tf.float32) for value in point)).numpy()

    point = np.array([1.0, 0.0])
    loss, *found = at(point)
    for _ in range(_PASSES):
        slope, curvature = np.array(found[:2]), np.array([[found[2], found[3]], [found[3], found[4]]])
        # A multiple of the identity keeps the step finite if all logits are equal.
        step = np.linalg.solve(curvature + 1e-9 * (1.0 + np.trace(curvature)) * np.eye(2), slope)
        for halving in range(_HALVED):
            new = point - step / 2**halving
            new[0] = np.clip(new[0], _LEAST_SCALE, _LARGEST_SCALE)
            if (result := at(new))[0] < loss:
                break
        else:
            break
        change = np.abs(new - point) / (1.0 + np.abs(point))
        point, (loss, *found) = new, result
        if change.max() <= _CHANGE:
            break
    return float(point[0]), float(point[1])


def _known(
    hidden: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor | None = None
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
    """Return the hidden vectors, the labels and the weights of the rows with a known label. The mean weight is 1."""
    rows = _known_rows(labels)
    if weights is not None:
        weights = tf.gather(weights, rows)
        weights /= tf.reduce_mean(weights)
    return tf.gather(hidden, rows), tf.gather(labels, rows), weights


def _known_rows(labels: tf.Tensor) -> tf.Tensor:
    """Return the indices of the rows with a known label, (n,) int64."""
    labels = tf.convert_to_tensor(labels)
    return tf.where(labels >= 0 if labels.shape.rank == 1 else tf.reduce_any(labels >= 0, axis=1))[:, 0]


def _means(values: tuple[tf.Tensor, ...], weights: tf.Tensor | None) -> tf.Tensor:
    """Return the means of (batch,) values, float64, each row with its weight."""
    exact = [tf.cast(each, tf.float64) for each in values]
    if weights is not None:
        exact = [each * tf.cast(weights, tf.float64) for each in exact]
    return tf.stack([tf.reduce_mean(each) for each in exact])


def _at_labels(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Return the logit of each label, or the mean logit of the known labels of each row, (batch,)."""
    if labels.shape.rank == 1:
        return tf.gather(logits, labels, batch_dims=1)
    known = tf.cast(labels >= 0, logits.dtype)
    own = tf.gather(logits, tf.maximum(labels, 0), batch_dims=1)
    return tf.reduce_sum(known * own, axis=1) / tf.reduce_sum(known, axis=1)
