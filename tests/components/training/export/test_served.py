"""Test of a training whose export has int8 class vectors and approximate answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.training.export import approximate
from components.training.history import read_history, served_lines
from tests.components.training.conftest import Corpus, serialize


@pytest.mark.slow
def test_a_training_exports_int8_vectors_and_an_index(
    sequence: Corpus, run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A search in so few classes reads many of them.
    monkeypatch.setattr(approximate, "MOST_READ", 1.0)
    options = {"epochs": 1, "class_table": "int8", "approximate": {"above": 100, "clusters": 20, "recall": 0.9}}
    run(sequence.fn_args(tmp_path, options))
    history = read_history(str(tmp_path / "run"))
    table, found = history["class_table"], history["approximate"]
    classes = 500
    assert table["float_bytes"] == classes * 16 * 4
    assert table["bytes"] == classes * (16 + 4)
    assert table["nll"][1] == pytest.approx(table["nll"][0], rel=0.01)
    assert "exact" not in found
    assert found["recall_at_10"] >= found["recall_at_10_bound"] >= 0.9
    assert len(list(served_lines(history))) == 2

    prefix = str(tmp_path / "model" / "variables" / "variables")
    written = {tuple(shape) for _, shape in tf.train.list_variables(prefix)}
    assert (classes,) in written
    reader = tf.train.load_checkpoint(prefix)
    tables = [reader.get_tensor(n) for n, s in reader.get_variable_to_shape_map().items() if s == [classes, 16]]
    assert [each.dtype for each in tables] == [np.int8], "the float32 vectors are not in the export"

    model = tf.saved_model.load(str(tmp_path / "model"))
    rows = [row for row in sequence.rows if row["party"]][:30]
    width = max(len(row["words"]) for row in rows)
    searched = model.signatures["serving_default"](examples=tf.constant([serialize(row) for row in rows]))
    exact = model.signatures["predict"](
        words=tf.constant([[*row["words"], *[b""] * (width - len(row["words"]))] for row in rows]),
        year=tf.constant([row["year"][0] for row in rows]),
        party=tf.constant([row["party"][0] for row in rows]),
    )
    shared = [len({*a} & {*b}) / 5 for a, b in zip(searched["labels"].numpy(), exact["labels"].numpy(), strict=True)]
    assert np.mean(shared) > 0.8
    same = searched["labels"].numpy()[:, 0] == exact["labels"].numpy()[:, 0]
    np.testing.assert_allclose(
        searched["probabilities"].numpy()[same, 0], exact["probabilities"].numpy()[same, 0], rtol=0.2
    )
