"""Tests of the periodic update of the shared weights."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.layers.optimization.optimizers import FusedAdam
from components.training.loop import callbacks
from components.training.loop.plan import Plan
from components.training.loop.update import Period, PeriodicUpdate
from components.training.spec import UpdateSpec
from tests.drawing import drawn


def plan(steps: int, steps_per_pass: int) -> Plan:
    return Plan(1_000, 10, steps_per_pass, 1, steps, 0)


def spec(**values) -> UpdateSpec:
    return UpdateSpec.model_validate(values)


@drawn()
@given(st.integers(1, 300), st.integers(1, 40), st.floats(0.01, 9))
def test_every_step_is_accumulated_once_and_none_is_left_over(steps: int, steps_per_pass: int, every: float) -> None:
    period = Period.of(spec(kind="accumulate", every=every), plan(steps, steps_per_pass))
    updates = [step for step in range(steps) if period.updates(step)]
    lengths = np.diff([-1, *updates])
    assert updates[-1] == steps - 1
    assert all(length == period.steps for length in lengths[:-1])
    assert 1 <= lengths[-1] <= period.steps


def test_alternate_trains_in_the_last_epoch_of_each_period() -> None:
    period = Period.of(spec(kind="alternate", every=3), plan(steps=14, steps_per_pass=2))
    assert [step for step in range(14) if period.updates(step)] == [4, 5, 10, 11]
    period = Period.of(spec(kind="alternate", every=1.5), plan(steps=12, steps_per_pass=4))
    assert [step for step in range(12) if period.updates(step)] == [2, 3, 4, 5, 8, 9, 10, 11]
    period = Period.of(spec(kind="alternate", every_steps=3), plan(steps=7, steps_per_pass=2))
    assert [step for step in range(7) if period.updates(step)] == [2, 5]


def test_weights_that_would_never_train_are_refused() -> None:
    with pytest.raises(ValueError, match="would never train: .* 8 of every 12 steps, and the training has 8;"):
        Period.of(spec(kind="alternate", every=3), plan(steps=8, steps_per_pass=4))


@pytest.mark.parametrize("values", [{"every": 1}, {"every_steps": 1}])
def test_a_period_without_rest_is_refused(values: dict) -> None:
    with pytest.raises(ValidationError, match="above 1"):
        spec(kind="alternate", **values)


def small(optimizers: Callable = FusedAdam, **period) -> tuple[PeriodicUpdate, list[keras.Variable]]:
    """Return an update of an embedding (shared), a matrix (shared) and a vector, in this order."""
    rng = np.random.default_rng(0)
    shapes = {"embedding": (6, 3), "matrix": (3, 4), "vector": (4,)}
    weights = [keras.Variable(rng.normal(size=shape), name=name) for name, shape in shapes.items()]
    model: Any = SimpleNamespace(trainable_variables=weights)
    return PeriodicUpdate(model, weights[:2], optimizers(0.1), optimizers(0.1), Period(**period)), weights


def gradients(step: int) -> list[tf.Tensor | tf.IndexedSlices]:
    rng = np.random.default_rng(step + 1)
    rows = tf.constant([1, 4, 1])  # The gradient of an embedding may have a row twice.
    return [
        tf.IndexedSlices(tf.constant(rng.normal(size=(3, 3)), tf.float32), rows, tf.constant([6, 3])),
        tf.constant(rng.normal(size=(3, 4)), tf.float32),
        tf.constant(rng.normal(size=4), tf.float32),
    ]


def test_the_accumulated_gradient_is_the_sum_and_moves_weights_and_moments_only_at_updates() -> None:
    update, weights = small(steps=3, update_steps=1, total=8, accumulate=True)
    by_hand = [keras.Variable(w.numpy()) for w in weights]
    reference = [FusedAdam(0.1) for _ in weights]
    for optimizer, weight in zip(reference, by_hand, strict=True):
        optimizer.build([weight])
    sums = [tf.zeros([6, 3]), tf.zeros([3, 4])]
    counted = 0
    for step in range(8):
        update.updating = update.period.updates(step)
        before = [v.numpy() for v in (*weights[:2], *update.shared_optimizer.variables)]
        given_ = gradients(step)
        update.apply(given_)
        sums = [total + tf.convert_to_tensor(g) for total, g in zip(sums, given_[:2], strict=True)]
        counted += 1
        reference[2].apply_gradients([(given_[2], by_hand[2])])
        if not update.updating:
            for value, variable in zip(before, (*weights[:2], *update.shared_optimizer.variables), strict=True):
                np.testing.assert_array_equal(value, variable.numpy())
        else:
            for i in range(2):
                reference[i].apply_gradients([(sums[i] * (1.0 / tf.constant(float(counted))), by_hand[i])])
            sums, counted = [tf.zeros([6, 3]), tf.zeros([3, 4])], 0
        for weight, expected in zip(weights, by_hand, strict=True):
            np.testing.assert_array_equal(weight.numpy(), expected.numpy())
    assert int(update.shared_optimizer.iterations) == 3, "after steps 3, 6 and 8"
    assert int(update.optimizer.iterations) == 8


def test_alternate_leaves_weights_decay_and_moments_alone_between() -> None:
    def decayed(rate: float) -> keras.optimizers.Optimizer:
        return keras.optimizers.AdamW(rate, weight_decay=0.5)

    update, weights = small(decayed, steps=4, update_steps=2, total=8, accumulate=False)
    moved = []
    for step in range(8):
        update.updating = update.period.updates(step)
        before = [v.numpy() for v in (*weights, *update.shared_optimizer.variables)]
        update.apply(gradients(step))
        after = [v.numpy() for v in (*weights, *update.shared_optimizer.variables)]
        changed = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
        moved.append(changed[0])
        assert changed[0] == changed[1]
        assert changed[2], "the others train at every step"
        assert any(changed[3:]) == changed[0]
    assert moved == [False, False, True, True] * 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("update", "updates"),
    [({"kind": "accumulate", "every": 0.5}, 4), ({"kind": "alternate", "every": 2, "embedding": True}, None)],
)
def test_a_training_moves_shared_weights_only_at_updates(
    sequence, run, no_export, tmp_path, monkeypatch, update, updates
) -> None:
    seen = []
    shown = callbacks.ProgressLine.on_train_batch_end

    def on_train_batch_end(self, batch, logs=None):
        shown(self, batch, logs)
        model = self.model
        shared = [*model.encoder.shared_variables, *([model.encoder.embedding.embeddings] if updates is None else [])]
        seen.append([[v.numpy() for v in shared], model.answers["label"].head.table.numpy(), model.update])

    monkeypatch.setattr(callbacks.ProgressLine, "on_train_batch_end", on_train_batch_end)
    run(sequence.fn_args(tmp_path, {"epochs": 2, "batch": 256, "update": update}))
    period = seen[0][2].period
    assert len(seen) == period.total
    for step in range(1, len(seen)):
        (before, table_before, _), (after, table, _) = seen[step - 1], seen[step]
        for a, b in zip(before, after, strict=True):
            assert np.array_equal(a, b) != period.updates(step), step
        assert not np.array_equal(table_before, table)
    count = int(seen[0][2].shared_optimizer.iterations)
    assert count == (updates if updates else period.total // 2)


REPLICAS = """
import sys
from components.training.devices.strategy import configure_devices, make_strategy
configure_devices(2)
import keras, numpy as np, tensorflow as tf
from components.training.loop.checkpoint import TrainingState
from components.training.data.layout import Layout
from components.training.model import build_model
from components.training.loop.plan import Plan
from components.layers.optimization.schedule import WarmupCosine
from components.training.spec import TrainerSpec
from components.training.loop.update import Updates, periodic_update
from components.training.loop.callbacks import Steps

classes, n = 40, 64 * 7
# Adam would make a full step of a gradient that is nothing but rounding.
sgd = lambda rate: keras.optimizers.SGD(rate, momentum=0.9)
layout = Layout("sequence", 3, 50, ("year",), {"party": 4})
rng = np.random.default_rng(0)
inputs = {
    "input_ids": rng.integers(0, 51, (n, 3)).astype(np.int32),
    "year": rng.normal(size=n).astype(np.float32),
    "party": rng.integers(0, 4, n),
}
targets = {"label": rng.integers(0, classes, n).astype(np.int32)}
data = tf.data.Dataset.from_tensor_slices((inputs, targets)).batch(64, drop_remainder=True)
for kind in ("accumulate", "alternate"):
    update = {"kind": kind, "every_steps": 3, "embedding": True}
    # As many draws as classes: every class is a candidate, whatever a replica draws.
    spec = TrainerSpec.model_validate(
        {"model": {"context": 3, "embedding": 4, "projection": 4, "hidden": 8, "ngrams": 1, "num_heads": 0,
                   "dropout": 0.0},
         "head": {"negatives": classes}, "update": update}
    )
    found = []
    for replicas in (1, 2):
        strategy, state = make_strategy(replicas), TrainingState()
        with strategy.scope():
            model = build_model(spec, layout, list(range(classes + 5, 5, -1)))
            start = [v.numpy() for v in model.encoder.shared_variables]
            plan = Plan(n, 64, 7, 1, 7, 0)
            model.update = periodic_update(spec.update, plan, model, sgd, WarmupCosine(0.1, 7))
            model.compile_with(model.update.optimizer)
        steps = Steps(None, state, 7, 1e9, check=lambda: None)
        callbacks = [steps, Updates(model.update, state)]
        model.fit(data.repeat(), steps_per_epoch=7, verbose=0, shuffle=False, callbacks=callbacks)
        assert not np.array_equal(start[0], model.encoder.shared_variables[0].numpy())
        assert int(model.update.shared_optimizer.iterations.numpy()) == (3 if kind == "accumulate" else 2)
        found.append([np.array(v) for v in (*model.get_weights(), *[v.numpy() for v in model.update.variables])])
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-4)
"""


@pytest.mark.slow
def test_two_replicas_hold_back_what_one_does(run_script: Callable[..., None]) -> None:
    run_script(REPLICAS)
