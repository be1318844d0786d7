"""Layer that mixes the softmax of an output with n-gram counts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from components.layers.mixture.counts import Counts
from components.layers.mixture.gate import Gate, mixture_loss
from components.layers.mixture.sweep import mixture_sweep
from components.layers.mixture.tables import Tables
from components.layers.sweep import Sweep


class NgramMixture(keras.layers.Layer):
    """Mixture of a softmax and Kneser-Ney counts, with a learned gate.

        p(j | h) = g(h) softmax_j(z) + (1 - g(h)) p_count(j | last tokens)

    The gate and the model train together, on estimates that leave the training example itself out of the counts; see
    `counts.Counts` and `gate.Gate`. The gradient of the model is that of its own loss, -log p_model. With the gradient
    of the mixture it would be scaled by the model's share of p: early in a training the counts are better, g falls, and
    the model learns less than without a mixture.

    Source of the idea: Neubig and Dyer, "Generalizing and Hybridizing Count-based and Neural Language Models" (2016).

    Args:
        tables: The counts.
    """

    def __init__(self, tables: Tables, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.counts = Counts(tables, name="counts")
        self.gate = Gate(self.counts.features, name="gate")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights of the gate.

        Args:
            input_shape: Shape of the hidden vectors, (batch, width).
        """
        self.gate.build(input_shape)
        self.built = True

    @property
    def lookup_weights(self) -> list[keras.Variable]:
        """Weights that the counts set and training leaves alone."""
        return self.counts.weights

    def row_losses(
        self, hidden: tf.Tensor, context: tf.Tensor, labels: tf.Tensor, model_losses: tf.Tensor
    ) -> tf.Tensor:
        """Return the loss of each row of a training batch, (batch,) float32 nats; 0 for the label -1.

        The value is -log p. The gradient is that of -log p for the gate, and that of `model_losses` for the model.

        Args:
            hidden: (batch, width) float.
            context: (batch, k) context ids, the latest last.
            labels: (batch,) integers, -1 outside the vocabulary. The counts must include each of these examples.
            model_losses: (batch,) float32, -log p_model(label).
        """
        found = self.counts.find(context, tf.maximum(labels, 0), leave_out=True)
        # Also here, not in the loss alone: a NaN that `where` leaves out of the loss stays in the gradient.
        counted = tf.where(labels >= 0, found.probability, 1.0)
        fixed = tf.stop_gradient(model_losses)
        losses = mixture_loss(fixed, self.gate(hidden, found.features), counted)
        # Adds no value, but the whole gradient of the model.
        return tf.where(labels >= 0, losses + model_losses - fixed, 0.0)

    def gates(self, hidden: tf.Tensor, context: tf.Tensor) -> tf.Tensor:
        """Return g of each row, (batch,) float32.

        Args:
            hidden: (batch, width) float.
            context: (batch, k) context ids.
        """
        found = self.counts.find(context, tf.zeros(tf.shape(context)[:1], tf.int64))
        return tf.sigmoid(self.gate(hidden, found.features))

    def scorer(self, hidden: tf.Tensor, context: tf.Tensor) -> Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]:
        """Return a function that gives the log probabilities of some classes of some rows.

        Args:
            hidden: (batch, width) float, which the gate reads.
            context: (batch, k) context ids, the latest last.

        Returns:
            Function of indices of rows (n,), classes (n,) and -log p_model of these classes (n,), which returns (n,)
            float32.
        """
        whole = self.counts.find(context, tf.zeros(tf.shape(context)[:1], tf.int64))
        gate = self.gate(hidden, whole.features)

        def log_probabilities(of: tf.Tensor, classes: tf.Tensor, model_losses: tf.Tensor) -> tf.Tensor:
            found = self.counts.find(tf.gather(context, of), classes)
            return -mixture_loss(model_losses, tf.gather(gate, of), found.probability)

        return log_probabilities

    def sweep(
        self,
        hidden: tf.Tensor,
        softmax: tuple[tf.Tensor, Any, Any],
        context: tf.Tensor,
        labels: tf.Tensor | None = None,
        k: int = 0,
    ) -> Sweep:
        """Measure labels and find the k most probable classes: see `sweep.mixture_sweep`.

        Args:
            hidden: (batch, width) float, which the gate reads.
            softmax: (batch, width), (classes, width) and (classes,) float32: the logits are the products of the first
                two, plus the third.
            context: (batch, k) context ids, the latest last.
            labels: (batch,) integers, -1 outside the vocabulary; None: neither nll nor rank is wanted.
            k: Number of the most probable classes to find.
        """
        some = tf.zeros(tf.shape(context)[:1], tf.int64) if labels is None else tf.maximum(labels, 0)
        found = self.counts.find(context, some)
        gate = self.gate(hidden, found.features)
        return mixture_sweep(*softmax, gate, self.counts, found, labels, k)
