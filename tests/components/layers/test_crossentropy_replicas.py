"""Tests of `SampledSoftmax` in `fit` on two replicas. In a separate process, for its devices."""

from __future__ import annotations

from collections.abc import Callable

import pytest

SCRIPT = """
import resource, sys, tempfile
import numpy as np
from components.training.devices.strategy import configure_devices, make_strategy
configure_devices(2)
import keras
import tensorflow as tf
from components.layers.crossentropy import SampledCrossentropy
from components.layers.head import SampledSoftmax, step_seed
from components.layers.optimization.optimizers import RowAdam

CLASSES, WIDTH, RATE = 30, 6, 0.5
rng = np.random.default_rng(0)
x = rng.normal(size=(32, WIDTH)).astype(np.float32)
y = rng.integers(0, CLASSES, 32)


def made(optimizer):
    inputs = keras.Input((WIDTH,))
    model = keras.Model(inputs, SampledSoftmax(np.arange(CLASSES, 0, -1), 8, seed=4, name="head")(inputs))
    model.compile(optimizer, SampledCrossentropy())
    return model


def fit(model, epochs=1, **options):
    return model.fit(x, y, batch_size=16, epochs=epochs, shuffle=False, verbose=0, **options).history


# Two steps of SGD: each replica has half of the batch, and draws of its own.
with make_strategy(2).scope():
    model = made(keras.optimizers.SGD(RATE))
head = SampledSoftmax(np.arange(CLASSES, 0, -1), 8, seed=4)
head.build((None, WIDTH))
seeds = []
for step in range(2):
    with tf.GradientTape() as tape:
        losses = []
        for replica in range(2):
            first = 16 * step + 8 * replica
            seeds.append(step_seed(4, step) + [replica, 0])
            losses.append(head.sampled_loss(x[first:first + 8], y[first:first + 8], seeds[-1]))
        loss = tf.reduce_mean(losses)
    variables = [head.table.value, head.bias.value]
    for variable, gradient in zip(variables, tape.gradient(loss, variables)):
        variable.assign_sub(RATE * tf.convert_to_tensor(gradient))
assert len({tuple(np.sort(head.proposal.draw(seed))) for seed in seeds}) == 4
history = fit(model, validation_data=(x, y))
for a, b in zip(model.get_layer("head").get_weights(), head.get_weights()):
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
np.testing.assert_allclose(history["val_loss"][-1], np.mean(head.exact_loss(x, y)), rtol=1e-5)

# Interrupted and loaded, the training goes on with the same draws.
with make_strategy(2).scope():
    whole, first = made(RowAdam(0.05)), made(RowAdam(0.05))
fit(whole, 2)
fit(first)
with tempfile.TemporaryDirectory() as folder:
    first.save(f"{folder}/model.keras")
    with make_strategy(2).scope():
        again = keras.models.load_model(f"{folder}/model.keras")
    first.export(f"{folder}/exported", verbose=False)
    exported = tf.saved_model.load(f"{folder}/exported")
    np.testing.assert_allclose(exported.serve(x), first.predict(x, verbose=0), rtol=1e-5, atol=1e-6)
fit(again)
for a, b in zip(again.get_weights(), whole.get_weights()):
    np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)

# The logits of a batch would take 1.6 GiB: neither training nor validation computes them.
many = 400_000
inputs = keras.Input((1,))
model = keras.Model(inputs, SampledSoftmax(np.ones(many, np.int64), 64)(inputs))
model.compile(RowAdam(0.05), SampledCrossentropy())
rows = np.ones((1024, 1), np.float32)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
model.fit(rows, np.arange(1024), batch_size=1024, verbose=0, validation_data=(rows, np.arange(1024)))
assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 800_000, "KiB"
"""


@pytest.mark.slow
def test_fit_on_two_replicas(run_script: Callable[..., None]) -> None:
    run_script(SCRIPT)
