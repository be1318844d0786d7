"""Tests that two replicas learn the same as one. In a separate process: the first use fixes the logical devices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

SCRIPT = """
import dataclasses
import sys
import numpy as np
from components.training.devices.strategy import configure_devices, describe, make_strategy
replicas = int(sys.argv[1])
configure_devices(replicas)
configure_devices(replicas)  # A second call is none.
import tensorflow as tf
from components.baselines.counting import packed
from components.baselines.models.tables import pairs_of, tables_of
from components.training.data.layout import COUNTED
from components.training.model import build_model
from components.layers.optimization.optimizers import FusedAdam
from components.training.spec import TrainerSpec
from components.training.loop.validation import Validator
from components.training.data.windows import Layout

strategy = make_strategy(replicas)
assert strategy.num_replicas_in_sync == replicas, describe(strategy)
classes = 40
# As many draws as classes: every class is a candidate, whatever a replica draws.
spec = TrainerSpec.model_validate(
    {"model": {"context": 3, "embedding": 4, "projection": 4, "hidden": 8, "dropout": 0.0, "input_dropout": 0.0,
               "frequent_ngrams": 200, "ngram_dropout": 0.0},
     "head": {"negatives": classes}, "target_weights": {"town": 0.5}}
)
layout = Layout(
    "sequence", 3, 50, ("year",), {"party": 4}, "class", ("age",), {"town": (9, 5, 2)},
    counted=2, cached=2, paired=2, counted_ids=classes,
)
rng = np.random.default_rng(0)
n = 64 * 5
inputs = {
    "input_ids": rng.integers(0, 51, (n, 3)).astype(np.int32),
    "year": rng.normal(size=n).astype(np.float32),
    "party": rng.integers(0, 4, n),
    COUNTED: rng.integers(0, 3, (n, 2)).astype(np.int32),
}
# Some of each are missing, and not as many on one replica as on the other.
targets = {
    "label": rng.integers(-1, classes, n).astype(np.int32),
    "age": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)).astype(np.float32),
    "town": rng.integers(-1, 3, n).astype(np.int32),
}
known = targets["label"] >= 0
keys = packed(inputs[COUNTED][known].astype(np.int64), targets["label"][known], classes + 2, classes)
keys, counts = np.unique(keys, return_counts=True)
tables = tables_of(keys, counts, order=3, n_contexts=classes + 2, n_classes=classes)
near = np.sort(np.stack([inputs[COUNTED][known][:, -1].astype(np.int64), targets["label"][known]], axis=1))
near, often = np.unique(near @ [classes, 1], return_counts=True)
tables = dataclasses.replace(tables, pairs=pairs_of(near, often, classes, None, symmetric=True))
with strategy.scope():
    model = build_model(spec, layout, list(range(classes + 5, 5, -1)), tables)
    model.compile_with(FusedAdam(0.01))
model.encoder.adapt(lambda length: [inputs["input_ids"][:, -length:]])
assert len(model.encoder.own_vocabularies["ngrams"]) == 200
data = tf.data.Dataset.from_tensor_slices((inputs, targets)).batch(64, drop_remainder=True)
history = model.fit(data.repeat(), steps_per_epoch=5, epochs=3, verbose=0)
# 100 windows: the last batch is not whole, and its halves are not equal.
measured = Validator(model, data.unbatch().take(100).batch(64), strategy).measure()
weights = model.get_weights()
if replicas > 1:
    # Dropout and draws differ between the replicas by intent: there only that it learns counts.
    free = TrainerSpec.model_validate({**spec.model_dump(), "model": {**spec.model.model_dump(), "dropout": 0.2,
        "input_dropout": 0.2, "ngram_dropout": 0.2}, "head": {"negatives": 10}})
    with strategy.scope():
        noisy = build_model(free, layout, list(range(classes + 5, 5, -1)))
        noisy.compile_with(FusedAdam(0.01))
    losses = noisy.fit(data.repeat(), steps_per_epoch=5, epochs=6, verbose=0).history["loss"]
    assert losses[-1] < losses[0], losses
np.savez(sys.argv[2], *weights, loss=history.history["loss"], **measured)
"""


@pytest.mark.slow
def test_two_replicas_learn_what_one_learns(run_script: Callable[..., None], tmp_path: Path) -> None:
    def trained(replicas: int) -> dict[str, np.ndarray]:
        out = tmp_path / f"{replicas}.npz"
        run_script(SCRIPT, str(replicas), str(out))
        return dict(np.load(out))

    one, two = trained(1), trained(2)
    assert set(one) == set(two)
    for name in one:
        np.testing.assert_allclose(one[name], two[name], rtol=2e-3, atol=2e-4, err_msg=name)
    assert one["loss"][-1] < one["loss"][0]
