"""Tests that the loss of `docs/how-to/extending.md` equals its equation."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.layers.head import SampledSoftmax, step_seed
from tests import documents

CLASSES, WIDTH, STEPS = 40, 4, 1_500


@pytest.fixture
def smoothed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    documents.written(tmp_path, "my_package/losses.py")
    monkeypatch.syspath_prepend(tmp_path)
    from my_package.losses import Smoothed  # pyright: ignore[reportMissingImports]

    yield Smoothed
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_package"]:
        del sys.modules[name]
    keras.saving.get_custom_objects().pop("my_package>Smoothed", None)


def head_of(form: Any) -> SampledSoftmax:
    head = SampledSoftmax(np.arange(CLASSES, 0, -1) ** 2, 24, form=form)
    head.build((None, WIDTH))
    head.table.assign(np.random.default_rng(5).normal(size=(CLASSES, WIDTH)) / 2)
    return head


@pytest.mark.parametrize("smoothing", [0.1, 0.6])
def test_the_expected_gradient_is_that_of_smoothed_labels_over_all_classes(smoothed: Any, smoothing: float) -> None:
    rng = np.random.default_rng(1)
    hidden = tf.constant(rng.normal(size=(6, WIDTH)), tf.float32)
    labels = tf.constant(rng.integers(0, CLASSES, 6), tf.int32)
    head = head_of(smoothed(smoothing))
    q = tf.constant(head.proposal.probabilities, tf.float32)
    targets = (1 - smoothing) * tf.one_hot(labels, CLASSES) + smoothing * q
    with tf.GradientTape() as tape:
        tape.watch(hidden)
        loss = tf.nn.softmax_cross_entropy_with_logits(targets, head(hidden))
    full = tape.gradient(loss, hidden).numpy()

    @tf.function
    def gradient(step: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(hidden)
            loss = head.sampled_loss(hidden, labels, tf.stack([1, step]))
        return tape.gradient(loss, hidden)

    found = tf.function(lambda: tf.map_fn(gradient, tf.range(STEPS), fn_output_signature=tf.float32))().numpy()
    error = found.std(axis=0) / np.sqrt(STEPS)
    # Five standard errors, and the bias of a ratio of means, of order 1 / S.
    np.testing.assert_array_less(np.abs(found.mean(axis=0) - full), 5 * error + 0.02)
    # Without the smoothing, the gradient differs.
    with tf.GradientTape() as tape:
        tape.watch(hidden)
        plain = head.exact_loss(hidden, labels)
    assert (np.abs(tape.gradient(plain, hidden).numpy() - full) > 5 * error + 0.02).any()


def test_its_gradient_is_sparse_and_its_configuration_comes_back(smoothed: Any) -> None:
    head = head_of(smoothed(0.2))
    hidden, labels = tf.ones((3, WIDTH)), tf.constant([0, 5, 39])
    with tf.GradientTape() as tape:
        loss = head.sampled_loss(hidden, labels, step_seed(1, 0))
    assert all(isinstance(g, tf.IndexedSlices) for g in tape.gradient(loss, [head.table.value, head.bias.value]))
    again = SampledSoftmax.from_config(head.get_config())
    assert type(again.form) is smoothed
    assert again.get_config() == head.get_config()
    assert again.supports_jit == head.supports_jit
