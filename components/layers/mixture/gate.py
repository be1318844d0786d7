"""Gate between a model and counts, and the loss of their mixture."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from components.layers.softmax import log_add

# Logit of the first gate: sigmoid(log 4) = 0.8.
_FIRST = 1.3862943611198906


class Gate(keras.layers.Layer):
    """Share of the model in its mixture with counts, as a logit.

        g = sigmoid(w . hidden + u . features + b)

    It starts at g = 0.8, with w = u = 0. The features describe the context in the counts, see `counts.Found`. They let
    the gate rely on contexts that occurred often.

    Args:
        features: Number of features.
    """

    def __init__(self, features: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.features = features

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make w, (width,), u, (features,), and b.

        Args:
            input_shape: Shape of the hidden vectors, (batch, width).
        """
        self.kernel = self._weight("kernel", (input_shape[-1],))
        self.context_kernel = self._weight("context_kernel", (self.features,))
        self.bias = self._weight("bias", (), keras.initializers.Constant(_FIRST))
        self.built = True

    def call(self, hidden: tf.Tensor, features: tf.Tensor) -> tf.Tensor:
        """Return the logits of g, (batch,) float32.

        Args:
            hidden: (batch, width) float.
            features: (batch, features) float32.
        """
        of_hidden = tf.linalg.matvec(tf.cast(hidden, tf.float32), self.kernel)
        return of_hidden + tf.linalg.matvec(features, self.context_kernel) + self.bias

    def _weight(self, name: str, shape: tuple[int, ...], initializer: Any = "zeros") -> keras.Variable:
        return self.add_weight(shape=shape, initializer=initializer, dtype="float32", autocast=False, name=name)


def mixture_loss(model_losses: tf.Tensor, gate: tf.Tensor, counted: tf.Tensor) -> tf.Tensor:
    """Return -log(g exp(-model_loss) + (1 - g) p_count) of each row, (batch,) float32 nats.

    Under a sampled loss, exp(-model_loss) is an estimate of p_model(label): the expected sum over the candidates is the
    sum over all classes, but the expected logarithm is below the logarithm, so the estimate of the loss is too low.
    The mixture has the same bias, times the model's share. `tests/components/layers/mixture/test_mixture_loss.py`
    measures it.

    Args:
        model_losses: (batch,) float32, -log p_model(label).
        gate: (batch,) float32 logits of g.
        counted: (batch,) float32 p_count(label), above 0.
    """
    return -log_add(tf.math.log_sigmoid(gate) - model_losses, tf.math.log_sigmoid(-gate) + tf.math.log(counted))
