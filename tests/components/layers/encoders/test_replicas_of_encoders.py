"""Tests that encoders on two replicas learn the same as on one.

In a separate process: the first use fixes the devices.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

SCRIPT = """
import numpy as np
from pipeline.config.loading import load
load("shared_submodel")  # What checks a sub-model leaves the devices to be configured.
from components.training.devices.strategy import configure_devices, make_strategy
configure_devices(2)
import keras
import tensorflow as tf
from tests.components.layers.encoders.conftest import inputs, make

rng = np.random.default_rng(0)
windows = inputs(rng.integers(0, 31, (64, 3)), rng)

def trained(kind, strategy, dropout):
    with strategy.scope():
        encoder = make(kind, dropout=dropout)
        optimizer = keras.optimizers.SGD(0.1)
        optimizer.build(encoder.trainable_variables)
    goal = np.random.default_rng(1).normal(size=(64, encoder.width)).astype(np.float32)

    def step(batch, goal, number):
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        seed = tf.stack([replica, number]) if dropout else None
        with tf.GradientTape() as tape:
            vectors = encoder(batch, dropout_seed=seed)
            loss = tf.reduce_mean((vectors - goal) ** 2) / strategy.num_replicas_in_sync
        gradients = tape.gradient(loss, [v.value for v in encoder.trainable_variables])
        optimizer.apply_gradients(zip(gradients, encoder.trainable_variables))
        return loss, vectors

    data = tf.data.Dataset.from_tensors((windows, goal)).unbatch().batch(64)
    run = tf.function(lambda batch, goal, number: strategy.run(step, (batch, goal, number)), autograph=False)
    losses = []
    for number in range(3):
        for batch, wanted in strategy.experimental_distribute_dataset(data):
            loss, vectors = run(batch, wanted, tf.constant(number))
            losses.append(float(strategy.reduce("SUM", loss, axis=None)))
    assert losses[-1] < losses[0], (kind, losses)
    for variable in encoder.weights:
        copies = [copy.numpy() for copy in strategy.experimental_local_results(variable.value)]
        assert len(copies) == strategy.num_replicas_in_sync
        assert all((copy == copies[0]).all() for copy in copies), variable.path
    return encoder.get_weights()

two, one = make_strategy(2), tf.distribute.get_strategy()
for kind in ("ten_inputs", "submodel, mean", "lstm"):
    for a, b in zip(trained(kind, one, 0.0), trained(kind, two, 0.0), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5, err_msg=kind)
for kind in ("ten_inputs", "submodel, concat"):
    trained(kind, two, 0.2)
"""


@pytest.mark.slow
def test_two_replicas_learn_what_one_learns(run_script: Callable[..., None]) -> None:
    run_script(SCRIPT)
