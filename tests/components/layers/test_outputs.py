import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.layers.head import SampledSoftmax, step_seed
from components.layers.losses.labels import Labels, LossName
from components.layers.outputs import ClassOutput, NumberOutput, Output
from components.metrics.rows import label_values
from components.metrics.targets import Target

HIDDEN = tf.constant([[1.0, 2.0], [0.0, -1.0], [3.0, 0.0]])


def measured_by(output: Output, targets: list[float] | list[int]) -> dict[str, float]:
    """Return the metrics of `HIDDEN`, as a validation computes them."""
    target = Target("", "number" if isinstance(output, NumberOutput) else "class", ())
    values = output.row_values(HIDDEN, tf.constant(targets))
    return target.measured(np.array([tf.reduce_sum(value) for value in label_values(target.sums, values).values()]))


def number_output() -> NumberOutput:
    """Return an output 1900 + 50 (h [0.5, 0.25] + 0.1): 1955, 1892.5 and 1980 for `HIDDEN`."""
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
    # d/dh (h w + b - t)^2 = 2 (error) w. Only the first row has an error: half a standard deviation.
    np.testing.assert_allclose(gradients[0], [[0.5, 0.25], [0.0, 0.0], [0.0, 0.0]], atol=1e-5)
    np.testing.assert_allclose(gradients[1], [1.0, 2.0], atol=1e-5)
    np.testing.assert_allclose(gradients[2], 1.0, atol=1e-5)


LARGE = [1e21, 3e21, 2e21]


def large_output(mean: float, deviation: float) -> NumberOutput:
    """Return an output mean + deviation (h [0.5, 0.25] + 0.1)."""
    output = number_output()
    output.standardise(mean, deviation)
    return output


def test_numbers_whose_squares_no_float32_holds_are_learnt_and_measured():
    output = large_output(2e21, 1e21)
    np.testing.assert_allclose(output(HIDDEN), [3.1e21, 1.85e21, 3.6e21], rtol=1e-6)
    losses = output.row_losses(HIDDEN, tf.constant(LARGE), step_seed(1, 0))
    np.testing.assert_allclose(losses, [2.1**2, 1.15**2, 1.6**2], rtol=1e-5)
    measured = measured_by(output, LARGE)
    rmse = 1e21 * math.sqrt((2.1**2 + 1.15**2 + 1.6**2) / 3)
    assert measured["rmse"] == pytest.approx(rmse, rel=1e-6)
    assert measured["mae"] == pytest.approx(1e21 * (2.1 + 1.15 + 1.6) / 3, rel=1e-6)


def test_the_difference_of_the_largest_numbers_is_no_infinity():
    output = large_output(-3e38, 3e38)
    losses = output.row_losses(HIDDEN, tf.constant([3e38, -3e38, 0.0]), step_seed(1, 0))
    np.testing.assert_allclose(losses, [(1.1 - 2) ** 2, 0.15**2, (1.6 - 1) ** 2], rtol=1e-5)
    measured = measured_by(output, [3e38, -3e38, 0.0])
    assert np.isfinite([measured["rmse"], measured["mae"]]).all()
    output.bias.assign(9.0)
    assert float(output(HIDDEN)[0]) == pytest.approx(np.finfo(np.float32).max)


def test_a_constant_is_answered_as_it_is():
    output, hidden = large_output(19.99, 0.0), tf.Variable(HIDDEN)
    assert output(HIDDEN).numpy().tolist() == [np.float32(19.99)] * 3
    with tf.GradientTape() as tape:
        losses = output.row_losses(hidden, tf.constant([19.99, 25.0, math.nan]), step_seed(1, 0))
    assert np.isfinite(losses).all()
    assert all(np.isfinite(g).all() for g in tape.gradient(losses, [hidden, output.kernel.value]))
    measured = measured_by(output, [19.99, 25.0, math.nan])
    assert measured["mae"] == pytest.approx(5.01 / 2, rel=1e-5)


def test_mean_and_deviation_are_not_trained():
    assert [v.name for v in number_output().trainable_variables] == ["kernel", "bias"]


def test_numbers_are_measured_in_their_own_units_over_those_that_are_there():
    output = number_output()
    measured = measured_by(output, [1930.0, math.nan, 1995.0])
    assert (measured["rmse"], measured["mae"]) == pytest.approx((math.sqrt((25**2 + 15**2) / 2), 20.0))
    missing = measured_by(output, [math.nan] * 3)
    assert all(math.isnan(missing[name]) for name in ("rmse", "mae"))


def test_a_number_that_diverged_is_not_passed_over():
    output = number_output()
    output.bias.assign(math.nan)
    measured = measured_by(output, [1930.0, math.nan, 1995.0])
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
    # Logits (1, 2, -3), (0, -1, 1), (3, 0, -3): the label of the first row has rank 2, that of the second row rank 1.
    values = output.row_values(HIDDEN, tf.constant([0, 2, -1]))
    nll = [math.log(math.exp(1) + math.exp(2) + math.exp(-3)) - 1, math.log(1 + math.exp(-1) + math.exp(1)) - 1]
    assert values["rank"].numpy().tolist()[:2] == [2, 1]
    target = Target("", "label", ())
    sums = {name: float(tf.reduce_sum(value)) for name, value in label_values(target.sums, values).items()}
    assert [sums[name] for name in ("count", "known", "nll", "hit_1", "hit_10", "rr_10")] == pytest.approx(
        [3, 2, sum(nll), 1, 2, 1.5], rel=1e-5
    )
    measured = target.measured(np.array([*sums.values()] * 4))
    expected = {
        "nll": sum(nll) / 2,
        "perplexity": math.exp(sum(nll) / 2),
        "recall_at_10": 2 / 3,
        "mrr_at_10": 0.5,
    }
    assert {name: measured[name] for name in expected} == pytest.approx(expected, rel=1e-5)
    assert measured_by(output, [0, 2, -1])["accuracy"] == pytest.approx(1 / 3)


def test_a_temperature_divides_the_logits_of_all_probabilities_but_not_of_the_loss():
    output, labels = class_output(), tf.constant([0, 2, -1])
    logits, loss = output(HIDDEN).numpy(), output.row_losses(HIDDEN, labels, step_seed(1, 0)).numpy()
    output.temperature.assign(2.5)
    wanted = tf.nn.softmax(logits / 2.5).numpy()
    np.testing.assert_allclose(output(HIDDEN), logits / 2.5, rtol=1e-6)
    np.testing.assert_array_equal(output.row_losses(HIDDEN, labels, step_seed(1, 0)), loss)
    found = output.sweep(HIDDEN, labels, k=3)
    np.testing.assert_allclose(found.probabilities, np.take_along_axis(wanted, found.ids.numpy(), axis=1), rtol=1e-5)
    np.testing.assert_allclose(found.nll[:2], -np.log([wanted[0, 0], wanted[1, 2]]), rtol=1e-5)
    scores = output.scorer(HIDDEN)(tf.constant([0, 1, 2]), tf.constant([1, 0, 2]))
    np.testing.assert_allclose(scores, logits[[0, 1, 2], [1, 0, 2]] / 2.5, rtol=1e-5, atol=1e-6)
    values = output.row_values(HIDDEN, labels, confidence=True)
    np.testing.assert_allclose(values["confidence"], wanted.max(axis=1), rtol=1e-5)
    assert values["correct"].numpy().tolist() == [False, True, False]


def test_a_temperature_does_not_train_and_is_fitted_anew():
    output, labels = class_output(), tf.constant([0, 2, 1])
    assert [v.name for v in output.calibration_weights] == ["temperature"]
    assert not any(v is output.temperature for v in output.trainable_variables)
    output.fit_temperature(HIDDEN, labels)
    first = float(output.temperature.numpy())
    output.fit_temperature(HIDDEN, labels)
    assert float(output.temperature.numpy()) == first


def several_output(loss: LossName) -> ClassOutput:
    """Return an output of four classes with the logits of `HIDDEN` in float32."""
    output = ClassOutput(SampledSoftmax([5, 4, 3, 2], negatives=8), loss=loss, rows=10)
    output.build((None, 2))
    output.head.table.assign([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.5], [0.2, 0.2]])
    return output


def test_each_class_has_its_own_probability_with_scale_and_shift():
    output = several_output("sigmoid")
    logits = output.head(HIDDEN).numpy()
    output.scale.assign(0.5)
    output.shift.assign(-1.0)
    expected = 1 / (1 + np.exp(1.0 - 0.5 * logits))
    np.testing.assert_allclose(tf.sigmoid(output(HIDDEN)), expected, rtol=1e-5)
    found = output.sweep_several(HIDDEN, k=4)
    np.testing.assert_allclose(found.probabilities, -np.sort(-expected, axis=1), rtol=1e-5)
    assert found.ids.numpy().tolist() == np.argsort(-logits, axis=1).tolist()
    assert [weight.name for weight in output.calibration_weights] == ["scale", "shift"]
    assert not any(weight.trainable for weight in output.calibration_weights)
    output.reset_calibration()
    np.testing.assert_allclose(output(HIDDEN), logits, rtol=1e-6)


def test_the_calibration_of_several_labels_lowers_the_nll():
    rng = np.random.default_rng(0)
    hidden = tf.constant(rng.normal(size=(400, 2)), tf.float32)
    for loss in ("softmax", "sigmoid"):
        output = several_output(loss)
        chosen = rng.uniform(size=(400, 4)) < 0.3
        targets = tf.constant(np.where(chosen, np.arange(4), -2), tf.int32)

        def nll(output=output, targets=targets) -> float:
            return float(tf.reduce_sum(output.row_values(hidden, targets)["nll"]))

        before = nll()
        output.fit_temperature(hidden, targets)
        assert nll() < before


def test_a_row_without_labels_costs_nothing_in_training():
    targets = tf.constant([[0, 2, -2], [-1, -2, -2], [3, -2, -2]])
    for loss in ("softmax", "sigmoid"):
        losses = several_output(loss).row_losses(HIDDEN, targets, step_seed(1, 0)).numpy()
        exact = several_output(loss).head.exact_loss_of_several(HIDDEN, Labels.of(targets), loss).numpy()
        np.testing.assert_allclose(losses, exact, rtol=1e-5)
        assert losses[1] == 0 < losses[0]
