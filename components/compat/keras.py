"""Keras: the steps and attributes that it keeps to itself. Needs Keras and TensorFlow alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras.src.backend.common import symbolic_scope as scope

_SLOTS = {"momentum": "_momentums", "velocity": "_velocities"}


class OpenAdam(keras.optimizers.Adam):
    """`keras.optimizers.Adam` that opens its steps between the gradients and the update to subclasses.

    Reason: Keras clips before it sums over the replicas, applies weight decay to whole tables, and has no public hook
        for either step. It does not tell the slots of a variable.
    Versions: Keras 3.15.
    Remove when: Keras has public hooks for both steps and gives the slots of a variable.

    Attributes:
        decays_in_update: True: `update_step` applies the weight decay, and Keras's own pass is left out.
    """

    decays_in_update = False

    def summed(self, gradients: Sequence[Any]) -> Sequence[Any]:
        """Return the gradients to apply. A subclass clips here: Keras's own clipping is left out.

        Args:
            gradients: summed over the replicas, in the order of the variables; None where a variable has none.
        """
        return gradients

    def slots(self, variable: Any) -> tuple[Any, Any]:
        """Return the first and the second moment of a variable, both of its shape."""
        index = self._get_variable_index(variable)
        return self._momentums[index], self._velocities[index]

    def decays(self, variable: Any) -> bool:
        """Return True if weight decay applies to a variable."""
        return bool(self.weight_decay) and self._use_weight_decay(variable)

    def _clip_gradients(self, grads: Any) -> Any:
        return grads

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        gradients, variables = zip(*super()._all_reduce_sum_gradients(grads_and_vars), strict=True)
        return list(zip(self.summed(gradients), variables, strict=True))

    def _apply_weight_decay(self, variables: Any) -> None:
        if not self.decays_in_update:
            super()._apply_weight_decay(variables)


def moments(optimizer: keras.optimizers.Optimizer) -> dict[str, dict[str, keras.Variable]]:
    """Return `momentum` and `velocity` of each trained weight, by the weight's path; nothing of another kind of Adam.

    Reason: `optimizer.variables` lists slots and counters in one flat list, under names of their own.
    Versions: Keras 3.15.
    Remove when: Keras gives the slots of a variable.
    """
    if not all(hasattr(optimizer, slot) for slot in _SLOTS.values()):
        return {}
    return {
        variable.path: {name: getattr(optimizer, slot)[index] for name, slot in _SLOTS.items()}
        for index, variable in enumerate(optimizer._trainable_variables)
    }


def flattened(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Return a layer and all layers inside it.

    Reason: only a model has the public attribute `layers`, and that stops at the first level.
    Versions: Keras 3.15.
    Remove when: every layer tells the layers inside it.
    """
    return layer._flatten_layers()


def own_states(layer: keras.layers.Layer) -> list[keras.Variable]:
    """Return the variables of a layer itself that are made as a state, without those of layers inside it.

    Reason: the public lists hold the variables of inner layers, weights that are only frozen, and random generators.
    Versions: Keras 3.15.
    Remove when: every layer tells its own variables apart from those of layers inside it.
    """
    return layer._non_trainable_variables


def in_symbolic_scope() -> bool:
    """Return True while Keras builds a model or a loss on tensors that no layer returned.

    Reason: Keras calls a loss on such tensors, and has no public way to tell that it does.
    Versions: Keras 3.15.
    Remove when: Keras tells it in public.
    """
    return scope.in_symbolic_scope()


def masked(values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Return the values with a mask, which Keras leaves out of the mean of a loss.

    Reason: Keras reads the mask of a loss from an attribute of the tensor that the loss returns.
    Versions: Keras 3.15.
    Remove when: A loss can return a mask in public.

    Args:
        values: (...) losses.
        mask: (...) booleans, False for a row to leave out.
    """
    values._keras_mask = mask
    return values
