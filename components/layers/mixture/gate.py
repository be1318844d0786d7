"""Gate of the mixture of a model and other parts, and the loss of the mixture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

# Initial share of the model, relative to the share of the counts.
_FIRST = 4.0
# Smallest probability whose logarithm is computed. The probability in a cache can be 0.
_LEAST = 1e-30
# Logit of a part that a row does not have.
_NEVER = -1e9
# Number of steps of the calibration and learning rate. On 8,192 labels the steps take about a second.
_STEPS, _RATE = 400, 0.03
# Weight of the trained gate in the calibration, in labels.
_PRIOR = 10.0


class Gate(keras.layers.Layer):
    """Layer that computes the log shares of the model, the counts and further parts in a mixture.

        (g, g_counts, g_1, ...) = softmax(z, 0, z_1, ...),     z = w . hidden + u . features + b

    z_1, ... are computed like z, each with its own weights. The initial values are g = 4 g_counts and w = u = 0. The
    features describe the context in the counts and in the other parts, see `counts.Found` and `part.Part`. They let
    the gate rely on contexts that occurred often.

    Args:
        features: Number of features.
        firsts: Initial share of each further part, relative to the share of the counts.
    """

    def __init__(self, features: int, firsts: Sequence[float] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.features, self.firsts = features, tuple(firsts)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create w, (width, logits), u, (features, logits), and b, (logits,). The counts have no logit.

        Args:
            input_shape: Shape of the hidden vectors, (batch, width).
        """
        first = np.log([_FIRST, *self.firsts])
        logits = len(first)
        self.kernel = self._weight("kernel", (input_shape[-1], logits))
        self.context_kernel = self._weight("context_kernel", (self.features, logits))
        self.bias = self._weight("bias", (logits,), lambda shape, dtype=None: tf.constant(first, dtype, shape))
        self.built = True

    def call(self, hidden: tf.Tensor, features: tf.Tensor, empty: Sequence[tf.Tensor] = ()) -> tf.Tensor:
        """Return the log shares of the model, the counts and the further parts, (batch, parts) float32.

        Args:
            hidden: (batch, width) float.
            features: (batch, features) float32.
            empty: (batch,) bool for each further part, True for the rows that do not have the part.
        """
        return _log_shares(self._logits(hidden, features), empty)

    def calibrate(
        self,
        hidden: tf.Tensor,
        features: tf.Tensor,
        empty: Sequence[tf.Tensor],
        logs: tf.Tensor,
        weights: tf.Tensor | None = None,
    ) -> None:
        """Fit the shares of the gate to examples that the model was not trained on.

            z' = a z + d

        a and d, one of each per logit, minimize the mean of -log p over the labels, plus the squares of a - 1 and d
        with the weight of `_PRIOR` labels. In training, the model has seen the labels before, while the counts leave
        them out. The share of the model therefore becomes too large for other data. The method is the scaling of Platt
        ("Probabilistic Outputs for Support Vector Machines", 1999), applied to the gate instead of the classes.

        Args:
            hidden: (labels, width) float.
            features: (labels, features) float32.
            empty: (labels,) bool for each further part, True for the rows that do not have the part.
            logs: (labels, parts) float32 log probabilities of the label in the model and in each other part.
            weights: (labels,) float32 weights of the labels in the mean. None: 1.
        """
        logits = self._logits(hidden, features)
        scale, shift = (keras.Variable(tf.fill(logits.shape[1:], first), dtype="float32") for first in (1.0, 0.0))
        optimizer = keras.optimizers.Adam(_RATE)
        optimizer.build([scale, shift])
        prior = _PRIOR / tf.cast(tf.shape(logits)[0], tf.float32)

        def step(done: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                shares = _log_shares(scale * logits + shift, empty)
                found = tf.reduce_logsumexp(shares + logs, axis=1)
                loss = -tf.reduce_mean(found if weights is None else found * (weights / tf.reduce_mean(weights)))
                loss += prior * (tf.reduce_sum((scale - 1.0) ** 2) + tf.reduce_sum(shift**2))
            optimizer.apply(tape.gradient(loss, [scale.value, shift.value]))
            return done + 1

        # One call, because the calls of single steps would take longer than the steps.
        @tf.function(autograph=False)
        def fit() -> None:
            tf.while_loop(lambda done: done < _STEPS, step, [0])

        fit()
        self.kernel.assign(self.kernel * scale)
        self.context_kernel.assign(self.context_kernel * scale)
        self.bias.assign(self.bias * scale + shift)

    def _logits(self, hidden: tf.Tensor, features: tf.Tensor) -> tf.Tensor:
        """Return z of all parts but the counts, (batch, parts - 1) float32."""
        of_hidden = tf.matmul(tf.cast(hidden, tf.float32), self.kernel)
        return of_hidden + tf.matmul(features, self.context_kernel) + self.bias

    def _weight(self, name: str, shape: tuple[int, ...], initializer: Any = "zeros") -> keras.Variable:
        return self.add_weight(shape=shape, initializer=initializer, dtype="float32", autocast=False, name=name)


def _log_shares(logits: tf.Tensor, empty: Sequence[tf.Tensor]) -> tf.Tensor:
    """Return the log shares of all parts from the logits of all but the counts: see `Gate.call`."""
    parts = [logits[:, 0], tf.zeros_like(logits[:, 0])]
    parts += [tf.where(missing, _NEVER, logits[:, part]) for part, missing in enumerate(empty, start=1)]
    return tf.nn.log_softmax(tf.stack(parts, axis=1))


def log_probabilities(model_losses: tf.Tensor, others: Sequence[tf.Tensor]) -> tf.Tensor:
    """Return the log probability of the label in the model and in each other part, (batch, parts) float32.

    Args:
        model_losses: (batch,) float32, -log p_model(label).
        others: (batch,) float32 p_i(label) for each i.
    """
    return tf.stack([-model_losses, *(tf.math.log(tf.maximum(each, _LEAST)) for each in others)], axis=1)


def mixture_loss(model_losses: tf.Tensor, shares: tf.Tensor, others: Sequence[tf.Tensor]) -> tf.Tensor:
    """Return -log(g exp(-model_loss) + sum_i g_i p_i) of each row, (batch,) float32 nats.

    With a sampled loss, exp(-model_loss) is an estimate of p_model(label). The expected sum over the candidates is the
    sum over all classes, but the expected logarithm is below the logarithm of the expectation. The estimate of the loss
    is therefore too low. The mixture has the same bias, times the share of the model, which
    `tests/components/layers/mixture/test_mixture_loss.py` measures.

    Args:
        model_losses: (batch,) float32, -log p_model(label).
        shares: (batch, parts) float32 logarithms of g and of each g_i.
        others: (batch,) float32 p_i(label) for each i.
    """
    return -tf.reduce_logsumexp(shares + log_probabilities(model_losses, others), axis=1)
