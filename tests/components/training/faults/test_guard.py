"""Tests of the guard against losses and gradients that are not finite."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.layers.optimization.gradients import half_square_norm, zeros_if
from components.layers.optimization.optimizers import FusedAdam, RowAdam
from components.layers.optimization.schedule import WarmupCosine
from components.training.faults.guard import Guard, HaltingRate
from tests.drawing import drawn

BAD = (math.nan, math.inf, -math.inf)
COMPONENT = st.one_of(st.floats(-1e6, 1e6, width=32), st.sampled_from(BAD))


@st.composite
def gradients(draw) -> list[tf.Tensor | tf.IndexedSlices | None]:
    """Return dense gradients, sparse gradients with duplicate rows, and None."""
    found = []
    for kind in draw(st.lists(st.sampled_from(["dense", "sparse", "none"]), min_size=1, max_size=4)):
        rows = draw(st.lists(st.tuples(COMPONENT, COMPONENT), max_size=4))
        values = tf.constant(np.reshape(rows, (-1, 2)), tf.float32)
        rows = tf.zeros(tf.shape(values)[:1], tf.int64)
        sparse = tf.IndexedSlices(values, rows, tf.constant([5, 2]))
        found.append({"dense": values, "sparse": sparse, "none": None}[kind])
    return found


def arrays(gradients: list) -> list[np.ndarray]:
    return [(g.values if isinstance(g, tf.IndexedSlices) else g).numpy() for g in gradients if g is not None]


@drawn(60)
@given(gradients())
def test_the_norm_is_finite_if_and_only_if_all_components_are(found):
    finite = all(np.isfinite(values).all() for values in arrays(found))
    assert bool(np.isfinite(half_square_norm(found))) == finite
    for condition in (True, False):
        chosen = zeros_if(tf.constant(condition), found)
        assert [type(g) for g in chosen] == [type(g) for g in found]
        for before, after in zip(arrays(found), arrays(chosen), strict=True):
            np.testing.assert_array_equal(after, np.zeros_like(before) if condition else before)


def trained(optimizer: type[FusedAdam], guarded: bool, bad: dict[int, str], steps: int = 4) -> tuple[Guard, list]:
    """Train a matrix and a table, and return the guard and the weights after each step."""
    variables = [keras.Variable(np.ones((3, 2), np.float32)), keras.Variable(np.ones((4, 2), np.float32))]
    schedule = WarmupCosine(0.1, 10, 2)
    guard = Guard(schedule)
    built = optimizer(HaltingRate(guard) if guarded else schedule, weight_decay=0.1)
    built.build(variables)

    @tf.function
    def step(loss: tf.Tensor, dense: tf.Tensor, values: tf.Tensor) -> None:
        found = [dense, tf.IndexedSlices(values, tf.constant([2, 0, 2]), tf.constant([4, 2]))]
        if guarded:
            found = guard.checked(loss, found, built.iterations)
        built.apply_gradients(zip(found, variables, strict=True))

    weights, rng = [], np.random.default_rng(0)
    for number in range(steps):
        parts = {name: rng.normal(size=size).astype(np.float32)
                 for name, size in (("loss", ()), ("dense", (3, 2)), ("sparse", (3, 2)))}  # fmt: skip
        if number in bad:
            parts[bad[number]] = np.full_like(parts[bad[number]], BAD[number % 3])
        step(*(tf.constant(part) for part in parts.values()))
        weights.append([v.numpy().tobytes() for v in variables])
    return guard, weights


@pytest.mark.parametrize("optimizer", [FusedAdam, RowAdam])
def test_good_steps_are_the_same_bit_for_bit(optimizer):
    guard, weights = trained(optimizer, guarded=True, bad={})
    assert weights == trained(optimizer, guarded=False, bad={})[1]
    assert guard.bad_step() is None


@pytest.mark.parametrize("optimizer", [FusedAdam, RowAdam])
@pytest.mark.parametrize("part", ["loss", "dense", "sparse"])
def test_the_weights_stay_those_before_the_first_bad_step(optimizer, part):
    guard, weights = trained(optimizer, guarded=True, bad={2: part, 3: "dense"}, steps=5)
    assert weights[0] != weights[1]
    assert weights[1] == weights[2] == weights[4]
    bad = guard.bad_step()
    assert bad
    assert bad.iteration == 2
    assert math.isfinite(bad.loss) == (part != "loss")
    assert bad.rate == pytest.approx(0.1)


TWO_REPLICAS = """
import keras, numpy as np, tensorflow as tf
from components.layers.optimization.optimizers import RowAdam
from components.training.devices.strategy import configure_devices, make_strategy
from components.training.faults.guard import Guard, HaltingRate

configure_devices(2)
strategy = make_strategy(2)
with strategy.scope():
    weight, guard = keras.Variable(np.ones(2, np.float32)), Guard(lambda step: tf.constant(0.1))
    optimizer = RowAdam(HaltingRate(guard))
    optimizer.build([weight])

def step(bad):
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    gradient = tf.where(bad & (replica == 1), float("nan"), tf.ones(2))
    optimizer.apply_gradients(zip(guard.checked(tf.constant(1.0), [gradient], optimizer.iterations), [weight]))

run = tf.function(lambda bad: strategy.run(step, args=(bad,)), autograph=False)
found = []
for bad in (False, True, False):
    run(tf.constant(bad))
    found.append([value.numpy().tolist() for value in strategy.experimental_local_results(weight.value)])
assert found[0] == found[1] == found[2], found
assert found[0][0] == found[0][1] != [1.0, 1.0], found
assert guard.bad_step().iteration == 1
"""


@pytest.mark.slow
def test_a_bad_gradient_of_one_replica_stops_all(run_script):
    run_script(TWO_REPLICAS)
