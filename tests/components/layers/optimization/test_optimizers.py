import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.layers.optimization.optimizers import FusedAdam, RowAdam
from components.layers.optimization.schedule import WarmupCosine
from components.training.optimizer import make_optimizer
from components.training.spec import OptimizerSpec


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
    # Keras squares the duplicate rows of sparse gradients separately, so the reference uses their sums.
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


def numpy_row_adam(gradients, decay=0.0) -> np.ndarray:
    """Compute row-wise Adam in loops, from the equations."""
    w, m, v = np.linspace(-1, 1, 12).reshape(4, 3), np.zeros((4, 3)), np.zeros((4, 3))
    for t, gradient in enumerate(gradients, start=1):
        values, indices = gradient.values.numpy(), gradient.indices.numpy()
        for row in set(indices):
            g = values[indices == row].sum(axis=0)
            m[row] = 0.9 * m[row] + 0.1 * g
            v[row] = 0.999 * v[row] + 0.001 * g**2
            step = 0.1 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m[row] / (np.sqrt(v[row]) + 1e-7)
            w[row] -= step + 0.1 * decay * w[row]
    return w


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_row_wise_steps_are_those_of_the_equations(decay):
    ours = run(lambda: RowAdam(0.1, weight_decay=decay or None), sparse_gradients())
    np.testing.assert_allclose(ours, numpy_row_adam(sparse_gradients(), decay), rtol=1e-5, atol=1e-6)


def test_row_wise_and_exact_agree_where_every_row_has_a_gradient():
    dense = dense_gradients()
    rows = [tf.IndexedSlices(g, tf.constant([0, 1, 2, 3]), tf.constant([4, 3])) for g in dense]
    exact = run(lambda: FusedAdam(0.1, weight_decay=0.3), dense)
    np.testing.assert_allclose(run(lambda: RowAdam(0.1, weight_decay=0.3), rows), exact, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(run(lambda: RowAdam(0.1, weight_decay=0.3), dense), exact, rtol=1e-5, atol=1e-6)


def test_rows_without_a_gradient_stay_as_they_are():
    first, *_ = sparse_gradients()
    other = tf.IndexedSlices(first.values, tf.constant([1, 1, 1], tf.int64), tf.constant([4, 3]))
    once = run(lambda: RowAdam(0.1, weight_decay=0.3), [first])
    twice = run(lambda: RowAdam(0.1, weight_decay=0.3), [first, other])
    np.testing.assert_array_equal(once[[0, 2, 3]], twice[[0, 2, 3]])
    assert (once[1] != twice[1]).all()


@pytest.mark.parametrize("kind", [FusedAdam, RowAdam])
@pytest.mark.parametrize("limit", [{"clipnorm": 0.5}, {"global_clipnorm": 0.5}, {"clipvalue": 0.1}])
def test_clipping_sees_the_sum_of_duplicate_rows(kind, limit):
    sparse = sparse_gradients()
    # All rows of the table, so that both optimizers agree, and a step of exact Adam on the sums.
    summed = [tf.convert_to_tensor(g) for g in sparse]
    rows = [tf.IndexedSlices(g, tf.constant([0, 1, 2, 3]), tf.constant([4, 3])) for g in summed]
    expected = run(lambda: keras.optimizers.Adam(0.1, epsilon=1e-2, **limit), summed)
    np.testing.assert_allclose(run(lambda: kind(0.1, epsilon=1e-2, **limit), rows), expected, rtol=1e-4, atol=1e-5)
    duplicated = run(lambda: FusedAdam(0.1, epsilon=1e-2, **limit), sparse)
    np.testing.assert_allclose(duplicated, expected, rtol=1e-4, atol=1e-5)
    assert np.abs(expected - run(lambda: keras.optimizers.Adam(0.1, epsilon=1e-2), summed)).max() > 1e-3


def test_an_optimizer_takes_up_what_another_left():
    weights = []
    for first, second in ((FusedAdam, RowAdam), (RowAdam, FusedAdam)):
        variable = keras.Variable(np.linspace(-1, 1, 12).reshape(4, 3), dtype="float32")
        one, two = first(0.1), second(0.1)
        for optimizer in (one, two):
            optimizer.build([variable])
        one.apply_gradients([(dense_gradients()[0], variable)])
        two.set_weights([v.numpy() for v in one.variables])
        two.apply_gradients([(dense_gradients()[1], variable)])
        weights.append(variable.numpy())
    np.testing.assert_allclose(*weights, rtol=1e-5)


def test_configuration_makes_the_optimizer():
    optimizer = make_optimizer(OptimizerSpec(kind="row_adam", weight_decay=0.1, clipnorm=2.0, beta_1=0.8), 0.5)
    assert isinstance(optimizer, RowAdam)
    assert (optimizer.weight_decay, optimizer.clipnorm, optimizer.beta_1) == (0.1, 2.0, 0.8)
    assert type(make_optimizer(OptimizerSpec(kind="adam"), WarmupCosine(1.0, 5))) is FusedAdam
    with pytest.raises(ValueError, match="at most one of"):
        OptimizerSpec(clipnorm=1.0, clipvalue=1.0)


def test_optimizers_survive_their_config():
    optimizer = RowAdam(WarmupCosine(1.0, 5), weight_decay=0.1)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))
    assert isinstance(again, RowAdam)
    assert again.get_config() == optimizer.get_config()
