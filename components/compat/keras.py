"""Private steps and attributes of Keras. Needs only Keras and TensorFlow."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras.src.backend.common import global_state
from keras.src.backend.common import symbolic_scope as scope

_GLOBALS = ("uninitialized_variables", "object_name_uids")
_SLOTS = {"momentum": "_momentums", "velocity": "_velocities"}


class OpenAdam(keras.optimizers.Adam):
    """`keras.optimizers.Adam` with hooks for subclasses between the gradients and the update.

    Reason: Keras clips before it sums over the replicas, applies weight decay to whole tables, and has no public hook
        for either step. It does not expose the slots of a variable.
    Versions: Keras 3.15.
    Remove when: Keras has public hooks for both steps, and exposes the slots of a variable.

    Attributes:
        decays_in_update: True if `update_step` applies the weight decay. Keras's own pass is then skipped.
    """

    decays_in_update = False

    def summed(self, gradients: Sequence[Any]) -> Sequence[Any]:
        """Return the gradients to apply. Subclasses clip here, because Keras's own clipping is disabled.

        Args:
            gradients: Sums over the replicas, in the order of the variables; None for a variable without a gradient.
        """
        return gradients

    def slots(self, variable: Any) -> tuple[Any, Any]:
        """Return the first and the second moment of a variable, both in its shape."""
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
    """Return `momentum` and `velocity` of each trained weight, by the weight's path.

    The result is empty for an optimizer without these slots.

    Reason: `optimizer.variables` has slots and counters in one flat list, under names of its own.
    Versions: Keras 3.15.
    Remove when: Keras exposes the slots of a variable.
    """
    if not all(hasattr(optimizer, slot) for slot in _SLOTS.values()):
        return {}
    return {
        variable.path: {name: getattr(optimizer, slot)[index] for name, slot in _SLOTS.items()}
        for index, variable in enumerate(optimizer._trainable_variables)
    }


def flattened(layer: keras.layers.Layer) -> list[keras.layers.Layer]:
    """Return a layer and all layers inside it.

    Reason: Only a model has the public attribute `layers`, and it lists only the first level.
    Versions: Keras 3.15.
    Remove when: Every layer exposes the layers inside it.
    """
    return layer._flatten_layers()


def own_states(layer: keras.layers.Layer) -> list[keras.Variable]:
    """Return the state variables of a layer itself, without those of the layers inside it.

    Reason: The public lists also have the variables of inner layers, frozen weights, and random generators.
    Versions: Keras 3.15.
    Remove when: Every layer lists its own variables apart from those of the layers inside it.
    """
    return layer._non_trainable_variables


def planned_weights(build: Callable[[], keras.Model]) -> tuple[int, int]:
    """Return the bytes of the trainable and of the other weights of a model, without creating the weights.

    Reason: In a stateless scope, Keras postpones the creation of weights. It keeps them in a list that a later scope
        would create, and counts names that it gives itself. Neither may outlive this function.
    Versions: Keras 3.15.
    Remove when: Keras can build a model without weights.

    Args:
        build: Function that builds the model.
    """
    kept = {name: copy.copy(global_state.get_global_attribute(name)) for name in _GLOBALS}
    try:
        with keras.StatelessScope(initialize_variables=False):
            model = build()
            groups = model.trainable_weights, model.non_trainable_weights
            trainable, others = (sum(map(_bytes, group)) for group in groups)
            return trainable, others
    finally:
        for name, value in kept.items():
            global_state.set_global_attribute(name, value)


def _bytes(weight: keras.Variable) -> int:
    return math.prod(weight.shape) * tf.as_dtype(weight.dtype).size


def in_symbolic_scope() -> bool:
    """Return True while Keras builds a model or a loss on tensors that no layer returned.

    Reason: Keras calls a loss on such tensors, and has no public way to detect this.
    Versions: Keras 3.15.
    Remove when: Keras has a public function for this.
    """
    return scope.in_symbolic_scope()


def masked(values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Attach a mask to losses, so that Keras leaves the masked rows out of the mean.

    Reason: Keras reads the mask of a loss from an attribute of the tensor that the loss returns.
    Versions: Keras 3.15.
    Remove when: A loss can return a mask through a public interface.

    Args:
        values: (...) losses.
        mask: (...) booleans, False for a row to leave out of the mean.
    """
    values._keras_mask = mask
    return values
