"""Tests of the assumptions of `components.compat.keras`, and of the need for it."""

from __future__ import annotations

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.compat.keras import OpenAdam, flattened, in_symbolic_scope, masked, moments, own_states

HOOKS = {
    "_all_reduce_sum_gradients": ["self", "grads_and_vars"],
    "_clip_gradients": ["self", "grads"],
    "_apply_weight_decay": ["self", "variables"],
    "_get_variable_index": ["self", "variable"],
    "_use_weight_decay": ["self", "variable"],
}


@pytest.mark.parametrize("name", HOOKS)
def test_keras_has_the_step_of_an_optimizer(name: str) -> None:
    assert list(inspect.signature(getattr(keras.optimizers.Adam, name)).parameters) == HOOKS[name]


def test_keras_clips_before_it_sums_over_the_replicas() -> None:
    called: list[str] = []

    class Watched(keras.optimizers.Adam):
        def _clip_gradients(self, grads):
            called.append("clip")
            return super()._clip_gradients(grads)

        def _all_reduce_sum_gradients(self, grads_and_vars):
            called.append("sum")
            return super()._all_reduce_sum_gradients(grads_and_vars)

    Watched(clipnorm=1.0).apply_gradients([(tf.ones(2), keras.Variable(np.zeros(2)))])
    assert called == ["clip", "sum"]


def test_keras_decays_whole_tables_before_the_update_and_a_subclass_can_do_it_itself() -> None:
    class InUpdate(OpenAdam):
        decays_in_update = True

    for kind, decayed in ((keras.optimizers.Adam, 0.9), (OpenAdam, 0.9), (InUpdate, 1.0)):
        table = keras.Variable(np.ones((3, 2)))
        rows = tf.IndexedSlices(tf.zeros((1, 2)), tf.constant([0]), tf.constant([3, 2]))
        kind(learning_rate=1.0, weight_decay=0.1).apply_gradients([(rows, table)])
        np.testing.assert_allclose(table.numpy()[1:], decayed, rtol=1e-6)


def test_a_subclass_sees_gradients_that_are_not_clipped_and_the_slots_and_the_decay_of_each_variable() -> None:
    seen: list[float] = []

    class Watched(OpenAdam):
        def summed(self, gradients):
            seen.extend(float(gradient[0]) for gradient in gradients)
            return [2 * gradient for gradient in gradients]

    optimizer = Watched(learning_rate=1.0, weight_decay=0.1, clipnorm=1.0)
    first, second = keras.Variable(np.zeros(1), name="first"), keras.Variable(np.zeros(1), name="second")
    optimizer.exclude_from_weight_decay(var_list=[second])
    optimizer.apply_gradients([(tf.constant([3.0]), first), (tf.constant([5.0]), second)])
    assert seen == [3.0, 5.0]
    for variable, gradient in ((first, 6.0), (second, 10.0)):
        momentum, velocity = optimizer.slots(variable)
        np.testing.assert_allclose([momentum[0], velocity[0]], [0.1 * gradient, 0.001 * gradient**2], rtol=1e-5)
    assert [optimizer.decays(first), optimizer.decays(second)] == [True, False]


def test_keras_does_not_give_the_slots_of_a_variable() -> None:
    optimizer = keras.optimizers.Adam()
    weight = keras.Variable(np.zeros(2), name="weight")
    optimizer.apply_gradients([(tf.ones(2), weight)])
    assert not [name for name in dir(optimizer) if "slot" in name.lower() or name in ("momentums", "velocities")]
    found = moments(optimizer)[weight.path]
    np.testing.assert_allclose(found["momentum"], [0.1, 0.1], rtol=1e-5)
    np.testing.assert_allclose(found["velocity"], [0.001, 0.001], rtol=1e-5)
    assert moments(keras.optimizers.SGD()) == {}


def test_keras_does_not_tell_the_layers_inside_a_layer() -> None:
    class Around(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inside = keras.Sequential([keras.layers.Dense(2)])

    layer = Around()
    assert not hasattr(layer, "layers")
    assert [type(each).__name__ for each in flattened(layer)] == ["Around", "Sequential", "Dense"]


def test_keras_does_not_tell_a_layers_own_states_apart() -> None:
    frozen, state = keras.layers.Dense(2, trainable=False), keras.layers.BatchNormalization()
    around = keras.Sequential([frozen, keras.layers.Dropout(0.5), state])
    around.build((None, 2))
    assert {variable.name for variable in around.non_trainable_variables} > {"kernel", "seed_generator_state"}
    assert own_states(around) == []
    assert [variable.name for variable in own_states(state)] == ["moving_mean", "moving_variance"]


def test_keras_builds_on_tensors_that_no_layer_returned() -> None:
    seen: list[bool] = []

    def note(x):
        seen.append(in_symbolic_scope())
        return x

    keras.Model(inputs := keras.Input((2,)), keras.layers.Lambda(note)(inputs))(np.ones((1, 2)))
    assert seen == [True, False]


def test_keras_leaves_masked_rows_out_of_the_mean_of_a_loss() -> None:
    class Masking(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return masked(y_pred, y_true > 0)

    assert float(Masking()(tf.constant([1.0, 0.0, 1.0]), tf.constant([2.0, 50.0, 4.0]))) == 3.0  # pyright: ignore[reportArgumentType]
