"""Small exported model whose answer depends on the tokens and the hour of a row."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

DATA: dict[str, Any] = {
    "shape": "labelled",
    "source": {"kind": "csv", "path": "rows.csv"},
    "inputs": ["before", "viewed"],
    "label": "bought",
    "tokenizer": "none",
    "features": {"hour": {"kind": "number"}},
    "slices": ["shop"],
    "split_by": ["user"],
}
TOP = 3
Row = tuple[list[str], list[str], float | None]
"""Tokens before, tokens viewed, hour."""
ROWS: list[Row] = [(["i1"], ["i2"], 3.0), (["i7"], ["über"], 23.5), (["i9"], ["a b"], 0.0)]
DICTS: list[dict[str, Any]] = [{"before": b[0], "viewed": v[0], "hour": h} for b, v, h in ROWS]
JSONL = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in DICTS)
GOOD = JSONL.encode().splitlines()


class _Tiny(tf.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weights = tf.Variable(tf.random.stateless_normal([2, 64, 5], seed=(1, 2)))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
    def serving_default(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        tokens, number = tf.io.RaggedFeature(tf.string), tf.io.FixedLenFeature([], tf.float32, 0.0)
        row: Any = tf.io.parse_example(examples, {"before": tokens, "viewed": tokens, "hour": number})
        logits = row["hour"][:, tf.newaxis] * tf.range(5.0) / 24
        for weights, name in zip(tf.unstack(self.weights), ("before", "viewed"), strict=True):
            logits += tf.reduce_sum(tf.gather(weights, tf.strings.to_hash_bucket_fast(row[name], 64)), axis=1)
        probabilities, ids = tf.math.top_k(tf.nn.softmax(logits), TOP)
        return {"labels": tf.strings.join(["L", tf.strings.as_string(ids)]), "probabilities": probabilities}


def export(folder: Path, data: dict[str, Any] | None = None) -> Path:
    """Export the model in the Pusher's layout, and return its folder."""
    tiny = _Tiny()
    tf.saved_model.save(tiny, str(folder), {"serving_default": tiny.serving_default})
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra" / "bigvocab.json").write_text(json.dumps({"data": data or DATA, "top_k": TOP}))
    return folder


def example(row: Row) -> bytes:
    """Return a row as a serialized tf.Example, created with protobuf."""
    before, viewed, hour = row
    result = tf.train.Example()
    for name, tokens in (("before", before), ("viewed", viewed)):
        result.features.feature[name].bytes_list.value.extend(token.encode() for token in tokens)
    if hour is not None:
        result.features.feature["hour"].float_list.value.append(hour)
    return result.SerializeToString()


def answers(model: Path, rows: list[Row]) -> list[list[dict[str, Any]]]:
    """Return the answers of `predict`, with each row in a separate request."""
    loaded = tf.saved_model.load(str(model))
    found = []
    for row in rows:
        output = loaded.signatures["serving_default"](examples=tf.constant([example(row)]))
        labels, probabilities = output["labels"].numpy()[0], output["probabilities"].numpy()[0]
        found.append(
            [{"label": w.decode(), "probability": float(p)} for w, p in zip(labels, probabilities, strict=True)]
        )
    return found


def same(found: list[Any], expected: list[Any]) -> bool:
    """Return whether answers are equal up to the rounding of a batch."""
    return [f and [w["label"] for w in f] for f in found] == [e and [w["label"] for w in e] for e in expected] and all(
        f == e or [w["probability"] for w in f] == pytest.approx([w["probability"] for w in e], abs=2e-6)
        for f, e in zip(found, expected, strict=True)
    )
