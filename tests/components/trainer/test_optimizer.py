import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.trainer.optimizer import FusedAdam
from components.trainer.schedule import WarmupCosine


def run(make, gradients) -> np.ndarray:
    variable = keras.Variable(np.linspace(-1, 1, 12).reshape(4, 3), dtype="float32")
    optimizer = make()
    optimizer.build([variable])
    for gradient in gradients:
        optimizer.apply_gradients([(gradient, variable)])
    return variable.numpy()


def dense_gradients() -> list[tf.Tensor]:
    rng = np.random.default_rng(0)
    return [tf.constant(rng.normal(size=(4, 3)) * 10.0**-i, tf.float32) for i in range(4)]


def sparse_gradients() -> list[tf.IndexedSlices]:
    rng = np.random.default_rng(1)
    rows = [[0, 2, 0], [3, 3, 3], [1, 0, 2]]
    return [
        tf.IndexedSlices(
            tf.constant(rng.normal(size=(3, 3)), tf.float32), tf.constant(r, tf.int64), tf.constant([4, 3])
        )
        for r in rows
    ]


@pytest.mark.parametrize("gradients", [dense_gradients(), sparse_gradients()], ids=["dense", "sparse with duplicates"])
@pytest.mark.parametrize("rate", [0.1, WarmupCosine(0.1, 10, 3)], ids=["constant", "schedule"])
def test_steps_are_those_of_keras(gradients, rate):
    # Keras itself squares the duplicate rows of sparse gradients one by one: the sums are the gradient.
    dense = [tf.convert_to_tensor(gradient) for gradient in gradients]
    ours = run(lambda: FusedAdam(rate, beta_1=0.8, beta_2=0.95, epsilon=1e-4), gradients)
    keras_own = run(lambda: keras.optimizers.Adam(rate, beta_1=0.8, beta_2=0.95, epsilon=1e-4), dense)
    np.testing.assert_allclose(ours, keras_own, rtol=1e-5, atol=1e-6)


def test_rows_without_a_gradient_move_on_as_exact_adam_demands():
    first, *_ = sparse_gradients()
    other = tf.IndexedSlices(first.values, tf.constant([1, 1, 1], tf.int64), tf.constant([4, 3]))
    once = run(lambda: FusedAdam(0.1), [first])
    twice = run(lambda: FusedAdam(0.1), [first, other])
    assert np.abs(twice[2] - once[2]).max() > 1e-3


def test_slots_carry_over_to_keras_adam():
    variable = keras.Variable(np.ones(3, np.float32))
    ours, theirs = FusedAdam(0.1), keras.optimizers.Adam(0.1)
    for optimizer in (ours, theirs):
        optimizer.build([variable])
    ours.apply_gradients([(tf.constant([1.0, -2.0, 0.5]), variable)])
    theirs.set_weights([v.numpy() for v in ours.variables])
    assert int(theirs.iterations) == 1
    np.testing.assert_allclose(theirs._momentums[0], [0.1, -0.2, 0.05], rtol=1e-5)


def test_amsgrad_is_refused():
    with pytest.raises(ValueError, match="amsgrad"):
        FusedAdam(amsgrad=True)


def test_schedule_rises_to_the_peak_and_falls_to_zero():
    schedule = WarmupCosine(2.0, 11, 3)
    rates = [float(schedule(step)) for step in range(12)]
    np.testing.assert_allclose(rates[:4], [2 / 3, 4 / 3, 2, 2], rtol=1e-6)
    np.testing.assert_allclose(rates[7], 1.0, rtol=1e-5)
    np.testing.assert_allclose(rates[11], 0.0, atol=1e-6)
    assert all(a > b for a, b in itertools.pairwise(rates[3:]))


def test_schedule_refuses_a_warmup_longer_than_the_training():
    with pytest.raises(ValueError, match="warm-up"):
        WarmupCosine(1.0, 5, 5)
