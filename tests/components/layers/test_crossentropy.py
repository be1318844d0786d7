# pyright: reportFunctionMemberAccess=false
"""Tests of `SampledSoftmax` and `SampledCrossentropy` in plain Keras models, without a training step of our own."""

import doctest
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.layers import crossentropy as module
from components.layers.crossentropy import SampledCrossentropy
from components.layers.head import SampledSoftmax, step_seed
from components.layers.optimization.optimizers import FusedAdam, RowAdam
from components.layers.top import TopClasses

pytestmark = pytest.mark.slow

CLASSES, WIDTH, ROWS = 40, 6, 48
COUNTS = np.arange(CLASSES, 0, -1) ** 2
_RNG = np.random.default_rng(0)
X, Y = _RNG.normal(size=(ROWS, WIDTH)).astype(np.float32), _RNG.integers(0, CLASSES, ROWS)


def model_of(optimizer=None, jit=False, run_eagerly=False, metrics=(), **options) -> keras.Model:
    keras.utils.set_random_seed(3)
    inputs = keras.Input((WIDTH,))
    hidden = keras.layers.Dense(5, "tanh")(inputs)
    model = keras.Model(inputs, SampledSoftmax(COUNTS, 12, name="head", **options)(hidden))
    model.compile(
        optimizer or RowAdam(0.02),
        loss=SampledCrossentropy(),
        metrics=list(metrics),
        jit_compile=jit,
        run_eagerly=run_eagerly,
    )
    return model


def fit(model: keras.Model, epochs: int = 1, **options):
    return model.fit(X, Y, batch_size=16, epochs=epochs, shuffle=False, verbose=0, **options).history


def repeat(model: keras.Model, times: int, x=X, y=Y) -> list[float]:
    """Do the steps of `times` epochs as those of one, since an epoch takes longer than its steps."""
    many = [np.tile(values, (times, *[1] * (values.ndim - 1))) for values in (x, y)]
    return model.fit(*many, batch_size=16, shuffle=False, verbose=0).history["loss"]


def nll(model: keras.Model) -> float:
    logits = keras.Model(model.inputs, model.get_layer("head").output).predict(X, verbose=0)
    return float(tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(Y, logits)))


def same_weights(one: keras.Model, other: keras.Model, **tolerance: float) -> None:
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, **{"rtol": 0, "atol": 0, **tolerance})


def test_fit_trains_and_validation_is_over_all_classes():
    model = model_of()
    before = nll(model)
    repeat(model, 39)
    history = fit(model, validation_data=(X, Y))
    assert history["val_loss"][-1] == pytest.approx(nll(model), rel=1e-5)
    assert history["val_loss"][-1] < before - 0.5
    # A sum over a sample of the classes differs from the sum over all.
    assert history["loss"][-1] != pytest.approx(history["val_loss"][-1], rel=1e-3)


@pytest.mark.parametrize("form", ["own", "shared", "full"])
def test_fit_does_the_steps_of_sampled_loss_with_a_seed_a_step(form):
    model, again = (model_of(keras.optimizers.SGD(0.5), form=form, seed=9) for _ in range(2))
    fit(model, 2)
    head, hidden_of = again.get_layer("head"), keras.Model(again.inputs, again.layers[-2].output)
    for step in range(6):
        rows = slice(16 * (step % 3), 16 * (step % 3) + 16)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(head.sampled_loss(hidden_of(X[rows]), Y[rows], step_seed(9, step)))
        gradients = tape.gradient(loss, [v.value for v in again.trainable_variables])
        again.optimizer.apply_gradients(zip(gradients, again.trainable_variables, strict=True))
    same_weights(model, again, rtol=1e-5, atol=1e-6)


def test_a_training_goes_on_from_a_saved_model_as_if_it_had_not_stopped(tmp_path):
    whole, first = model_of(), model_of()
    fit(whole, 4)
    fit(first, 2)
    first.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(again.loss, SampledCrossentropy)
    np.testing.assert_array_equal(again.predict(X, verbose=0), first.predict(X, verbose=0))
    fit(again, 2)
    same_weights(again, whole)


def test_saved_weights_hold_the_count_of_draws(tmp_path):
    first, again = model_of(), model_of()
    fit(first)
    first.save_weights(tmp_path / "all.weights.h5")
    again.load_weights(tmp_path / "all.weights.h5")
    assert first.get_layer("head").seed_generator.state.numpy()[1] == 3
    np.testing.assert_array_equal(*(m.get_layer("head").seed_generator.state.numpy() for m in (first, again)))


def test_an_exported_model_answers_with_the_logits(tmp_path):
    model = model_of()
    fit(model)
    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "exported"))
    np.testing.assert_allclose(exported.serve(X), model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("form", "make"), [("own", RowAdam), ("shared", FusedAdam), ("full", keras.optimizers.Adam), ("full", RowAdam)]
)
def test_xla_does_the_same_steps(form, make):
    plain, xla = (model_of(make(0.02), jit, form=form, fixed_shape=True) for jit in (False, True))
    losses = [fit(model, 3, validation_data=(X, Y)) for model in (plain, xla)]
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(losses[0][name], losses[1][name], rtol=1e-4)
    same_weights(plain, xla, rtol=2e-3, atol=1e-4)


def test_keras_does_not_choose_xla_by_itself():
    model = model_of(jit="auto")
    fit(model)
    assert not model.jit_compile


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16", "bfloat16", "float64"])
def test_other_precisions_train_the_table_in_float32(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        model = model_of(keras.optimizers.Adam(0.02))
        first = fit(model, validation_data=(X, Y))
        losses = repeat(model, 38)
        last = fit(model, validation_data=(X, Y))
    finally:
        keras.config.set_dtype_policy(before)
    assert model.get_layer("head").table.dtype == model.output.dtype == "float32"
    assert np.isfinite([*first["loss"], *losses, *last["loss"]]).all()
    assert last["val_loss"][0] < first["val_loss"][0] - 0.5


def test_metrics_of_keras_read_the_logits_in_training_and_validation():
    top = keras.metrics.SparseTopKCategoricalAccuracy(5, name="top")
    model = model_of(keras.optimizers.SGD(0.0), metrics=[top])
    history = fit(model, validation_data=(X, Y))
    rank = model.get_layer("head").sweep(model.layers[-2](X), Y).rank.numpy()
    assert history["top"] == history["val_top"] == [pytest.approx((rank <= 5).mean())]


def test_the_loss_of_keras_trains_the_same_model_on_all_classes():
    ours, keras_own = (model_of(keras.optimizers.SGD(0.5), form="full") for _ in range(2))
    keras_own.compile(keras.optimizers.SGD(0.5), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    fit(ours)
    fit(keras_own)
    same_weights(ours, keras_own, rtol=1e-4, atol=1e-6)


def test_eager_steps_are_those_of_the_graph():
    graph, eager = model_of(), model_of(run_eagerly=True)
    fit(graph)
    fit(eager)
    same_weights(graph, eager, rtol=1e-4, atol=1e-5)


def test_without_logits_in_training_the_steps_are_the_same_and_a_metric_cannot_go_unnoticed():
    plain, without = model_of(), model_of(training_logits=False)
    fit(plain)
    fit(without)
    same_weights(plain, without)
    assert np.isfinite(without.predict(X, verbose=0)).all()
    assert np.isnan(without(X, training=True)).all()


def test_most_probable_classes_come_from_the_same_weights(tmp_path):
    model = model_of()
    fit(model)
    best = keras.Model(model.inputs, TopClasses(3)(model.output))
    ids, probabilities = best.predict(X, verbose=0)
    every = tf.nn.softmax(model.predict(X, verbose=0))
    wanted, order = tf.math.top_k(every, 3)
    np.testing.assert_array_equal(ids, order)
    np.testing.assert_allclose(probabilities, wanted, rtol=1e-4)
    best.save(tmp_path / "best.keras")
    again = keras.models.load_model(tmp_path / "best.keras")
    np.testing.assert_array_equal(again.predict(X, verbose=0)[0], ids)


def test_more_classes_than_there_are_cannot_be_asked_for():
    with pytest.raises(ValueError, match="k is 0"):
        TopClasses(0)
    model = model_of()
    with pytest.raises(ValueError, match="41"):
        keras.Model(model.inputs, TopClasses(CLASSES + 1)(model.output))


def test_probabilities_as_output():
    model = model_of(activation="softmax")
    fit(model, validation_data=(X, Y))
    answered = model.predict(X, verbose=0)
    np.testing.assert_allclose(answered.sum(axis=1), 1, rtol=1e-5)
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(-np.log(answered[np.arange(ROWS), Y]).mean(), rel=1e-4)


def test_labels_of_minus_one_do_not_count():
    model = model_of()
    labels = np.where(np.arange(ROWS) % 3 == 0, -1, Y)
    known = labels >= 0
    some = model.evaluate(X[known], labels[known], batch_size=ROWS, verbose=0)
    assert model.evaluate(X, labels, batch_size=ROWS, verbose=0) == pytest.approx(some, rel=1e-5)
    assert model.evaluate(X, labels[:, np.newaxis], batch_size=ROWS, verbose=0) == pytest.approx(some, rel=1e-5)
    weights = np.where(known, 2.0, 5.0)
    weighted = model.evaluate(X, labels, sample_weight=weights, batch_size=ROWS, verbose=0)
    assert weighted == pytest.approx(2 * some, rel=1e-5)


def test_sequences_with_padding():
    tokens = _RNG.integers(0, 9, (ROWS, 7))
    tokens[:, 5:] = 0
    labels = _RNG.integers(0, CLASSES, (ROWS, 7))
    inputs = keras.Input((7,), dtype="int32")
    hidden = keras.layers.Embedding(9, 4, mask_zero=True)(inputs)
    model = keras.Model(inputs, SampledSoftmax(COUNTS, 12)(hidden))
    assert model.output.shape == (None, 7, CLASSES)
    model.compile(RowAdam(0.01), SampledCrossentropy())
    logits = model.predict(tokens, verbose=0)
    each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits).numpy()
    assert model.evaluate(tokens, labels, batch_size=ROWS, verbose=0) == pytest.approx(
        each[tokens > 0].mean(), rel=1e-5
    )
    (first,), _, (last,) = (repeat(model, times, tokens, labels) for times in (1, 18, 1))
    assert last < first - 0.3
    assert keras.Model(inputs, TopClasses(3)(model.output)).predict(tokens, verbose=0)[0].shape == (ROWS, 7, 3)


def test_one_output_of_several():
    inputs = keras.Input((WIDTH,))
    outputs = {"word": SampledSoftmax(COUNTS, 12, name="word")(inputs), "number": keras.layers.Dense(1)(inputs)}
    model = keras.Model(inputs, outputs)
    model.compile(RowAdam(0.01), {"word": SampledCrossentropy(), "number": "mse"})
    history = model.fit(X, {"word": Y, "number": X[:, 0]}, epochs=2, verbose=0).history
    assert {"loss", "word_loss", "number_loss"} <= history.keys()
    assert np.isfinite(history["loss"]).all()


def test_a_layer_between_the_head_and_the_loss_is_refused():
    inputs = keras.Input((WIDTH,))
    model = keras.Model(inputs, keras.layers.Softmax()(SampledSoftmax(COUNTS, 12)(inputs)))
    model.compile("adam", SampledCrossentropy())
    with pytest.raises(ValueError, match="no SampledSoftmax layer returned: apply it to the output of that layer"):
        model.fit(X, Y, verbose=0)


def test_one_hot_labels_are_refused():
    with pytest.raises(ValueError, match="of one-hot labels take the argmax"):
        model_of().fit(X, np.eye(CLASSES)[Y], verbose=0)


def test_a_softmax_over_more_classes_than_float32_holds_is_refused(monkeypatch):
    monkeypatch.setattr(module, "_MOST_CLASSES", CLASSES - 1)
    with pytest.raises(ValueError, match="takes up to 39 classes, not 40"):
        model_of().fit(X, Y, verbose=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"form": "Shared"}, "did you mean 'shared'"),
        ({"activation": "relu"}, "activation is 'relu': it must be None, 'softmax' or 'sigmoid'"),
        ({"negatives": 0}, "negatives is 0"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SampledSoftmax(COUNTS, **options)


def test_the_loss_keeps_its_configuration():
    loss = SampledCrossentropy(reduction="sum", name="mine")
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert (again.reduction, again.name) == ("sum", "mine")
    assert pickle.loads(pickle.dumps(loss)).name == "mine"


def test_the_example_runs():
    assert doctest.testmod(module, extraglobs={"SampledSoftmax": SampledSoftmax}) == (0, 5)
