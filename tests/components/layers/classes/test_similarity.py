"""Tests of the similarity of hidden and class vectors, its temperature, and the bias, in every form of the loss."""

from __future__ import annotations

import itertools
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.layers.classes.similarity import unit
from components.layers.crossentropy import SampledCrossentropy
from components.layers.forms.base import Step
from components.layers.forms.registry import FORMS
from components.layers.forms.sampled import Sampled
from components.layers.head import SampledSoftmax
from components.layers.top import TopClasses

COUNTS = [400, 200, 100, 50, 25, 12, 6, 3, 2, 2]
WIDTH = 4
OPTIONS = [
    {"similarity": similarity, "temperature": temperature, "use_bias": use_bias}
    for similarity, temperature, use_bias in itertools.product(["dot", "cosine"], [None, 3.0, "learned"], [True, False])
]


def head_of(negatives: int = 5, **options: Any) -> SampledSoftmax:
    head = SampledSoftmax(COUNTS, negatives, **options)
    head.build((None, WIDTH))
    head.table.assign(np.random.default_rng(0).normal(size=(len(COUNTS), WIDTH)))
    return head


def batch(rows: int = 7) -> tuple[tf.Tensor, tf.Tensor]:
    rng = np.random.default_rng(1)
    return tf.constant(rng.normal(size=(rows, WIDTH)), tf.float32), tf.constant(rng.integers(0, 10, rows), tf.int32)


def plain_logits(head: SampledSoftmax, hidden: tf.Tensor, table: tf.Tensor) -> tf.Tensor:
    """Return the logits of the classes in `table` by the formula, without the bias."""
    products = tf.matmul(hidden, table, transpose_b=True)
    if head.similarity == "cosine":
        products /= tf.norm(hidden, axis=1, keepdims=True) * tf.norm(table, axis=1)
    if head.log_temperature is not None:
        return products * tf.exp(head.log_temperature.value)
    return products * (head.temperature or {"dot": 1.0, "cosine": 12.0}[head.similarity])


def plain_bias(head: SampledSoftmax) -> tf.Tensor:
    return tf.zeros(len(COUNTS)) if head.bias is None else head.bias.value


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_output_exact_loss_and_most_probable_classes_follow_the_formula(options: dict[str, Any]) -> None:
    head = head_of(**options)
    hidden, labels = batch()
    logits = plain_logits(head, hidden, head.table.value) + plain_bias(head)
    nll = keras.losses.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    outputs = head(hidden)
    np.testing.assert_allclose(outputs, logits, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(head.exact_loss(hidden, labels), nll, rtol=1e-4, atol=1e-5)
    swept = head.sweep(hidden, labels, k=3)
    np.testing.assert_allclose(swept.nll, nll, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(swept.ids, np.argsort(-logits.numpy(), axis=1)[:, :3])
    np.testing.assert_array_equal(TopClasses(3)(head(hidden))[0], swept.ids)
    assert float(SampledCrossentropy()(labels, outputs)) == pytest.approx(float(tf.reduce_mean(nll)), rel=1e-4)


@pytest.mark.parametrize("form", [*FORMS])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_loss_and_gradients_of_a_step_are_those_of_the_formula(options: dict[str, Any], form: str) -> None:
    """Compare the written gradients of each form with automatic ones of the plain formula over the same candidates."""
    head = head_of(form=form, **options)
    hidden, labels = batch()
    seed, known = tf.constant([1, 2]), tf.ones_like(labels, tf.bool)
    variables = [v.value for v in head.trainable_variables]
    step = Step(hidden, labels, known, seed, head.rows, head.all_rows, head.proposal)
    built = FORMS[form]()

    def plain() -> tf.Tensor:
        if not isinstance(built, Sampled):
            classes, log_pi, own = tf.range(len(COUNTS)), tf.zeros(len(COUNTS)), labels
        else:
            classes, log_pi, own = built.candidates(step)
        logits = plain_logits(head, hidden, tf.gather(head.table.value, classes))
        logits += tf.gather(plain_bias(head), classes)
        label = tf.gather(logits, own, batch_dims=1)
        count = tf.shape(log_pi)[0]
        others = tf.where(tf.range(count) == own[:, tf.newaxis], -np.inf, logits[:, :count] - log_pi)
        return tf.reduce_logsumexp(tf.concat([others, label[:, tf.newaxis]], axis=1), axis=1) - label

    results = []
    for losses in (lambda: head.sampled_loss(hidden, labels, seed), plain):
        with tf.GradientTape() as tape:
            tape.watch(hidden)
            loss = losses()
            total = tf.reduce_sum(loss * tf.range(1.0, 8.0))
        results.append([loss, *map(tf.convert_to_tensor, tape.gradient(total, [hidden, *variables]))])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("form", [*FORMS])
def test_bfloat16_products_are_close(form: str) -> None:
    hidden, labels = batch()
    exact, rounded = (
        head_of(form=form, similarity="cosine", logits_dtype=dtype).sampled_loss(hidden, labels, tf.constant([1, 2]))
        for dtype in ("float32", "bfloat16")
    )
    # A product of unit vectors at temperature 12 is rounded by at most 12 / 256.
    np.testing.assert_allclose(rounded, exact, atol=0.1)
    assert (rounded.numpy() != exact.numpy()).any()


def test_lengths_do_not_count_for_the_cosine() -> None:
    head = head_of(similarity="cosine")
    hidden, _ = batch()
    before = head(hidden).numpy()
    head.table.assign(head.table.value * tf.range(1.0, 11.0)[:, tf.newaxis])
    np.testing.assert_allclose(head(hidden * 7.0), before, rtol=1e-4, atol=1e-5)


def test_gradient_of_zeros_is_finite() -> None:
    vectors = tf.zeros([1, WIDTH])
    with tf.GradientTape() as tape:
        tape.watch(vectors)
        result = tf.reduce_sum(unit(vectors))
    assert np.isfinite(tape.gradient(result, vectors)).all()


def test_a_learned_temperature_is_trained_and_saved(tmp_path: Any) -> None:
    head = head_of(similarity="cosine", temperature="learned")
    inputs = keras.Input((WIDTH,))
    model = keras.Model(inputs, head(inputs))
    model.compile(keras.optimizers.Adam(0.1), loss=SampledCrossentropy())
    hidden, labels = batch()
    assert float(tf.exp(head.log_temperature.value)) == pytest.approx(12.0)
    model.fit(hidden, labels, epochs=3, verbose=0)
    assert float(tf.exp(head.log_temperature.value)) != pytest.approx(12.0, rel=1e-3)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(hidden), model(hidden), rtol=1e-5)


def test_a_frozen_layer_answers_the_same() -> None:
    head = head_of(similarity="cosine")
    hidden, labels = batch()
    before = head.sweep(hidden, labels, k=3)
    head.freeze()
    for a, b in zip(before, head.sweep(hidden, labels, k=3), strict=True):
        np.testing.assert_array_equal(a, b)
    assert [v.path for v in head.trainable_variables] == [head.table.path, head.bias.path]


@pytest.mark.parametrize(
    ("options", "fault"),
    [({"similarity": "euclid"}, "similarity is 'euclid'"), ({"temperature": 0.0}, "temperature is 0.0"),
     ({"temperature": "warm"}, "temperature is 'warm'")],
)  # fmt: skip
def test_wrong_arguments_are_refused(options: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        SampledSoftmax(COUNTS, **options)
