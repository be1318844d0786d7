"""Tests that two replicas learn from whole rows what one learns. In a separate process: the first use fixes devices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = """
import sys
import numpy as np
from components.training.devices.strategy import configure_devices, make_strategy
configure_devices(2)
import keras
import tensorflow as tf
from components.layers.mixture.spec import NgramMixtureSpec
from components.training.data.layout import Layout
from components.training.loop.validation import Validator
from components.training.model import build_model
from components.training.data.ngram_counts import count_ngrams
from components.training.rows.batches import count_cuts, training_batches, validation_batches
from components.training.spec import TrainerSpec

# Rows of very different lengths, so that the replicas have different numbers of labels, and one batch has one row.
rng = np.random.default_rng(0)
with tf.io.TFRecordWriter(sys.argv[1], "GZIP") as writer:
    for row in range(37):
        ids = rng.integers(0, 40, 2 + row * row % 29).tolist()
        example = tf.train.Example()
        example.features.feature["input_ids"].int64_list.value.extend(ids)
        example.features.feature["label_ids"].int64_list.value.extend([i if i < 35 else -1 for i in ids])
        example.features.feature["age"].float_list.value.append(float("nan") if row % 5 == 0 else row / 10)
        example.features.feature["town"].int64_list.value.append(row % 4 - 1)
        writer.write(example.SerializeToString())

plain = Layout("sequence", 12, 50, (), {}, "class", ("age",), {"town": (9, 5, 2)}, whole_rows=True)
mixture = NgramMixtureSpec()
counting = plain.counting(mixture, 50, 40)
files = [sys.argv[1]]
size = count_cuts(files, plain)
tables = count_ngrams(files, counting, 40, mixture)

def trained(strategy, model, batch, rate, mixed):
    layout = counting if mixed else plain
    replicas = strategy.num_replicas_in_sync
    # As many draws as classes: every class is a candidate, whatever a replica draws.
    spec = TrainerSpec.model_validate({"model": model, "head": {"negatives": 40}, "target_weights": {"town": 0.5}})
    with strategy.scope():
        made = build_model(spec, layout, list(range(45, 5, -1)), tables if mixed else None)
        # Sums of gradients differ by rounding, which Adam would enlarge.
        made.compile_with(keras.optimizers.SGD(rate))
    data = training_batches(files, layout, size, size.windows // batch, seed=1, replicas=replicas)
    return made, made.fit(data, steps_per_epoch=8, epochs=2, verbose=0, shuffle=False).history["loss"]

def measured(strategy, model, batch, rate, mixed):
    made, losses = trained(strategy, model, batch, rate, mixed)
    validation = validation_batches(files, counting if mixed else plain, 64, 10_000, 1, strategy.num_replicas_in_sync)
    return losses, Validator(made, validation, strategy).measure(), made.get_weights()

two, one = make_strategy(2), tf.distribute.get_strategy()
lstm = {"kind": "recurrent", "context": 12, "embedding": 6, "projection": 4, "units": 5, "dropout": 0.0}
transformer = {"kind": "transformer", "context": 12, "embedding": 8, "num_heads": 2, "block_dropout": 0.0}
tied = {**lstm, "tie": True}
cases = [(lstm, 64, 0.3, False), (tied, 12, 0.05, True), ({**transformer, "dropout": 0.0}, 64, 0.005, False)]
for model, batch, rate, mixed in cases:
    a, b = (measured(strategy, model, batch, rate, mixed) for strategy in (one, two))
    assert a[0][-1] < a[0][0], a[0]
    np.testing.assert_allclose(a[0], b[0], rtol=1e-4)
    for name in a[1]:
        np.testing.assert_allclose(a[1][name], b[1][name], rtol=1e-4, atol=1e-6, err_msg=name)
    for x, y in zip(a[2], b[2], strict=True):
        np.testing.assert_allclose(x, y, rtol=2e-3, atol=2e-5)
    _, noisy = trained(two, {**model, "dropout": 0.3}, batch, rate, mixed)
    assert noisy[-1] < noisy[0]
"""


@pytest.mark.slow
def test_two_replicas_learn_what_one_learns(run_script: Callable[..., None], tmp_path: Path) -> None:
    run_script(SCRIPT, str(tmp_path / "rows.gz"))
