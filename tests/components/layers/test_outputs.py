# pyright: reportArgumentType=false, reportCallIssue=false
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.layers.head import SampledSoftmax, step_seed
from components.layers.outputs import ClassOutput, NumberOutput

HIDDEN = tf.constant([[1.0, 2.0], [0.0, -1.0], [3.0, 0.0]])


def number_output() -> NumberOutput:
    """Answers 1900 + 50 (h [0.5, 0.25] + 0.1): 1955, 1892.5 and 1980 for `HIDDEN`."""
    output = NumberOutput()
    output.build((None, 2))
    output.kernel.assign([0.5, 0.25])
    output.bias.assign(0.1)
    output.standardise(1900.0, 50.0)
    return output


def test_a_number_is_answered_in_its_own_units():
    np.testing.assert_allclose(number_output()(HIDDEN), [1955.0, 1892.5, 1980.0])


def test_the_loss_of_a_number_is_its_squared_error_in_variances_and_a_missing_one_costs_and_teaches_nothing():
    output, hidden = number_output(), tf.Variable(HIDDEN)
    with tf.GradientTape() as tape:
        losses = output.row_losses(hidden, tf.constant([1930.0, math.nan, 1980.0]), step_seed(1, 0))
    np.testing.assert_allclose(losses, [0.25, 0.0, 0.0], atol=1e-6)
    gradients = tape.gradient(losses, [hidden, output.kernel.value, output.bias.value])
    # d/dh (h w + b - t)^2 = 2 (error) w, with an error of half a standard deviation in the first row alone.
    np.testing.assert_allclose(gradients[0], [[0.5, 0.25], [0.0, 0.0], [0.0, 0.0]], atol=1e-5)
    np.testing.assert_allclose(gradients[1], [1.0, 2.0], atol=1e-5)
    np.testing.assert_allclose(gradients[2], 1.0, atol=1e-5)


LARGE = [1e21, 3e21, 2e21]


def large_output(mean: float, deviation: float) -> NumberOutput:
    """Answers mean + deviation (h [0.5, 0.25] + 0.1)."""
    output = number_output()
    output.standardise(mean, deviation)
    return output


def test_numbers_whose_squares_no_float32_holds_are_learnt_and_measured():
    output = large_output(2e21, 1e21)
    np.testing.assert_allclose(output(HIDDEN), [3.1e21, 1.85e21, 3.6e21], rtol=1e-6)
    losses = output.row_losses(HIDDEN, tf.constant(LARGE), step_seed(1, 0))
    np.testing.assert_allclose(losses, [2.1**2, 1.15**2, 1.6**2], rtol=1e-5)
    measured = output.measured(output.sums(HIDDEN, tf.constant(LARGE)).numpy().tolist())
    rmse = 1e21 * math.sqrt((2.1**2 + 1.15**2 + 1.6**2) / 3)
    assert measured == pytest.approx({"rmse": rmse, "mae": 1e21 * (2.1 + 1.15 + 1.6) / 3}, rel=1e-6)


def test_the_difference_of_the_largest_numbers_is_no_infinity():
    output = large_output(-3e38, 3e38)
    losses = output.row_losses(HIDDEN, tf.constant([3e38, -3e38, 0.0]), step_seed(1, 0))
    np.testing.assert_allclose(losses, [(1.1 - 2) ** 2, 0.15**2, (1.6 - 1) ** 2], rtol=1e-5)
    assert np.isfinite(output.sums(HIDDEN, tf.constant([3e38, -3e38, 0.0]))).all()
    output.bias.assign(9.0)
    assert float(output(HIDDEN)[0]) == pytest.approx(np.finfo(np.float32).max)


def test_a_constant_is_answered_as_it_is():
    output, hidden = large_output(19.99, 0.0), tf.Variable(HIDDEN)
    assert output(HIDDEN).numpy().tolist() == [np.float32(19.99)] * 3
    with tf.GradientTape() as tape:
        losses = output.row_losses(hidden, tf.constant([19.99, 25.0, math.nan]), step_seed(1, 0))
    assert np.isfinite(losses).all()
    assert all(np.isfinite(g).all() for g in tape.gradient(losses, [hidden, output.kernel.value]))
    measured = output.measured(output.sums(HIDDEN, tf.constant([19.99, 25.0, math.nan])).numpy().tolist())
    assert measured["mae"] == pytest.approx(5.01 / 2, rel=1e-5)


def test_mean_and_deviation_are_not_trained():
    assert [v.name for v in number_output().trainable_variables] == ["kernel", "bias"]


def test_numbers_are_measured_in_their_own_units_over_those_that_are_there():
    output = number_output()
    sums = output.sums(HIDDEN, tf.constant([1930.0, math.nan, 1995.0])).numpy().tolist()
    measured = output.measured(sums)
    assert measured == pytest.approx({"rmse": math.sqrt((25**2 + 15**2) / 2), "mae": 20.0})
    assert all(math.isnan(value) for value in output.measured([0.0, 0.0, 0.0]).values())


def test_a_number_that_diverged_is_not_passed_over():
    output = number_output()
    output.bias.assign(math.nan)
    measured = output.measured(output.sums(HIDDEN, tf.constant([1930.0, math.nan, 1995.0])).numpy().tolist())
    assert math.isnan(measured["rmse"])


def class_output() -> ClassOutput:
    output = ClassOutput(SampledSoftmax([5, 3, 2], 1_024))
    output.build((None, 2))
    output.head.table.assign([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]])
    output.head.bias.assign([0.0, 0.0, 0.0])
    return output


def test_few_classes_are_trained_on_the_full_softmax():
    output, labels = class_output(), tf.constant([1, 2, -1])
    full = keras.losses.sparse_categorical_crossentropy(tf.constant([1, 2, 0]), output(HIDDEN), from_logits=True)
    np.testing.assert_allclose(
        output.row_losses(HIDDEN, labels, step_seed(1, 0)), np.multiply(full, [1.0, 1.0, 0.0]), rtol=1e-5
    )


def test_classes_are_measured_with_unknown_ones_as_misses():
    output = class_output()
    # Logits (1, 2, -3), (0, -1, 1), (3, 0, -3): the label of the first row comes second, that of the second row first.
    sums = output.sums(HIDDEN, tf.constant([0, 2, -1])).numpy().tolist()
    nll = [math.log(math.exp(1) + math.exp(2) + math.exp(-3)) - 1, math.log(1 + math.exp(-1) + math.exp(1)) - 1]
    assert sums == pytest.approx([3, 2, sum(nll), 1, 2, 1.5], rel=1e-5)
    assert output.measured(sums) == pytest.approx(
        {
            "nll": sum(nll) / 2,
            "perplexity": math.exp(sum(nll) / 2),
            "accuracy": 1 / 3,
            "recall_at_10": 2 / 3,
            "mrr_at_10": 0.5,
        },
        rel=1e-5,
    )
