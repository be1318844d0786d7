"""Output layer that returns the most probable classes."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from components.layers.forward import forward_of, like
from components.layers.losses.labels import Labels


@keras.saving.register_keras_serializable("bigvocab")
class TopClasses(keras.layers.Layer):
    """Layer that returns the k most probable classes of a model whose last layer is a `SampledSoftmax`.

    The layer holds few logits at a time for any number of classes: see `sweep.sweep`. It has no weights, so you can
    append it to a trained model: `keras.Model(model.inputs, TopClasses(10)(model.output))`.

    Args:
        k: Number of classes to return.

    Raises:
        ValueError: `k` is below 1. On a call: `k` is larger than the number of classes, or the input is not the direct
            output of a `SampledSoftmax`.
    """

    def __init__(self, k: int = 10, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if k < 1:
            raise ValueError(f"k is {k}: TopClasses returns at least 1 class")
        self.k = k
        # XLA has no kernel for some operations of the sweep.
        self.supports_jit = False

    def call(self, outputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the ids and the probabilities of the most probable classes.

        Args:
            outputs: (..., classes) output of the `SampledSoftmax`.

        Returns:
            (..., k) int32 ids in order of descending probability, and of ascending id for equal probabilities;
            (..., k) float32 probabilities over all classes, or of each class by itself with `activation="sigmoid"`.
        """
        forward = forward_of(outputs, "TopClasses")
        if forward is None:
            probabilities, ids = tf.math.top_k(tf.nn.softmax(outputs), self.k)
            return ids, probabilities
        head, rows = forward.head, forward.rows
        if head.activation == "sigmoid":
            found = head.sweep_several(rows, Labels.none(), "sigmoid", self.k)
        else:
            found = head.sweep(rows, k=self.k)
        return tuple(like(forward.hidden, x, self.k) for x in (found.ids, found.probabilities))

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the layer."""
        return {**super().get_config(), "k": self.k}
