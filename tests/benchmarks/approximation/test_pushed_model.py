"""Test of the benchmark of the approximate answers of a pushed model."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.commands.answers import approximate_of_model
from benchmarks.commands.common import BenchError
from benchmarks.harness import timing

DATA = {
    "shape": "labelled",
    "source": {"kind": "jsonl", "path": "rows.jsonl"},
    "inputs": ["before"],
    "label": "next",
    "features": {"hour": {"kind": "number"}, "shop": {"kind": "category"}},
}
TOP = 10
CLASSES = 20


class Both(tf.Module):
    """Model whose exact answer depends on all columns, and whose approximate answer misses the last label of a tie."""

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None], tf.string, "before"),
            tf.TensorSpec([None], tf.float32, "hour"),
            tf.TensorSpec([None], tf.string, "shop"),
        ]
    )
    def predict(self, before: tf.Tensor, hour: tf.Tensor, shop: tf.Tensor) -> dict[str, tf.Tensor]:
        return self._first(self._place(tf.reduce_sum(tf.cast(before != "", tf.int32), 1), hour, shop), 0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
    def examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        features = {
            "before": tf.io.RaggedFeature(tf.string),
            "hour": tf.io.FixedLenFeature([], tf.float32, np.nan),
            "shop": tf.io.FixedLenFeature([], tf.string, ""),
        }
        row: Any = tf.io.parse_example(examples, features)
        return self._first(self._place(tf.cast(row["before"].row_lengths(), tf.int32), row["hour"], row["shop"]), 1)

    def _place(self, words: tf.Tensor, hour: tf.Tensor, shop: tf.Tensor) -> tf.Tensor:
        hours = tf.where(tf.math.is_nan(hour), 0, tf.cast(hour, tf.int32))
        return words + hours + tf.strings.length(shop)

    def _first(self, place: tf.Tensor, missed: int) -> dict[str, tf.Tensor]:
        ids = (place[:, tf.newaxis] + tf.range(TOP)) % CLASSES
        # The approximate answer has another label in the last place if the place of the row is odd.
        other = tf.one_hot(TOP - 1, TOP, dtype=tf.int32) * (missed * tf.math.floormod(place, 2))[:, tf.newaxis]
        probabilities = tf.nn.softmax(-tf.cast(tf.range(TOP), tf.float32)) * (1.0 + missed)
        return {
            "labels": tf.strings.as_string((ids + other) % CLASSES),
            "probabilities": tf.repeat(probabilities[tf.newaxis], tf.shape(place)[0], axis=0),
        }


def export(folder: Path, approximate: bool) -> Path:
    both = Both()
    tf.saved_model.save(both, str(folder), {"serving_default": both.examples, "predict": both.predict})
    (folder / "assets.extra").mkdir()
    about = {"data": DATA, "top_k": TOP, "labels": CLASSES, "approximate": approximate}
    (folder / "assets.extra" / "bigvocab.json").write_text(json.dumps(about))
    return folder


def test_both_answers_to_the_rows_of_a_file_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "TURN_SECONDS", 0.0)
    # Of every four rows, one has no value of the features, and one has no token and is no row.
    rows: list[dict[str, Any]] = [
        {"before": "a b" if n % 4 else "", "hour": n % 3} | ({"shop": "x" * (n % 5)} if n % 4 > 1 else {"hour": None})
        for n in range(400)
    ]
    usable = [row for row in rows if row["before"]]
    odd = [(2 + (row["hour"] or 0) + len(row.get("shop", ""))) % 2 for row in usable]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    model, out = export(tmp_path / "serving" / "1", approximate=True), io.StringIO()

    assert approximate_of_model(tmp_path, file, 4_096, 1, True, out, tmp_path / "figures.json") == 1  # below 99%
    found = json.loads((tmp_path / "figures.json").read_text())
    assert (found["rows"], found["classes"], found["first"]) == (300, CLASSES, 10)
    assert 0.2 < np.mean(odd) < 0.8
    assert found["recall"] == pytest.approx(1 - np.mean(odd) / 10)
    assert found["nats"] == pytest.approx(np.log(2), rel=1e-5)
    assert re.search(rf"\| approximate \| +{found['recall']:.4f} \| +0.6931 \|", out.getvalue())
    assert [*found["times"]] == ["exact", "approximate"]

    (tmp_path / "few.jsonl").write_text("".join(json.dumps(row) + "\n" for row in usable[:50]))
    with pytest.raises(BenchError, match="has 50 rows that the model can answer; it needs at least 64"):
        approximate_of_model(model, tmp_path / "few.jsonl", 4_096, 1, False, out)
    with pytest.raises(BenchError, match="this model answers exactly"):
        approximate_of_model(export(tmp_path / "exact", approximate=False), file, 4_096, 1, False, out)
    with pytest.raises(BenchError, match="--model needs --rows"):
        approximate_of_model(model, None, 4_096, 1, False, out)
