"""Small exported model with planted weights: the probability of each label is known for every row."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import tensorflow as tf

DATA: dict[str, Any] = {
    "shape": "labelled",
    "source": {"kind": "csv", "path": "rows.csv"},
    "inputs": ["words"],
    "label": "next",
    "tokenizer": "words",
    "features": {"hour": {"kind": "number"}, "country": {"kind": "category"}},
}
LABELS = ["sea", "road", "sky", "home"]
TOP = 3
WORDS = {"boat": [4.0, 0, 0, 0], "car": [0, 3.0, 0, 0], "the": [0.1, 0.1, 0.1, 0], "plane": [0, 0, 5.0, -1.0]}
"""Weight of each word for each label."""
OF_HOUR, OF_COUNTRY = [0.0, 0, 0, 0.25], [0.0, 0.5, 0, 0]
"""Weights of an hour, and of the country `DE`."""


class _Planted(tf.Module):
    def __init__(self, scale: float) -> None:
        super().__init__()
        names = tf.lookup.KeyValueTensorInitializer([*WORDS], tf.range(len(WORDS), dtype=tf.int64))
        self.table = tf.lookup.StaticHashTable(names, len(WORDS))
        self.weights = tf.Variable([*WORDS.values(), [0.0] * len(LABELS)])
        self.scale = tf.Variable(scale)

    def answer(self, words: Any, hour: Any, country: Any) -> dict[str, Any]:
        logits = tf.reduce_sum(tf.gather(self.weights, self.table.lookup(words)), axis=1)
        logits += tf.where(tf.math.is_nan(hour), 0.0, hour)[:, None] * tf.constant(OF_HOUR)
        logits += tf.cast(country == "DE", tf.float32)[:, None] * tf.constant(OF_COUNTRY)
        probabilities, ids = tf.math.top_k(tf.nn.softmax(self.scale * logits), TOP)
        return {"labels": tf.gather(tf.constant(LABELS), ids), "probabilities": probabilities}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")], autograph=False)
    def serving_default(self, examples: Any) -> dict[str, Any]:
        hour, country = (tf.io.FixedLenFeature([], *of) for of in ((tf.float32, math.nan), (tf.string, "")))
        spec = {"words": tf.io.VarLenFeature(tf.string), "hour": hour, "country": country}
        row: Any = tf.io.parse_example(examples, spec)
        return self.answer(tf.sparse.to_dense(row["words"], ""), row["hour"], row["country"])

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None], tf.string, "words"),
            tf.TensorSpec([None], tf.float32, "hour"),
            tf.TensorSpec([None], tf.string, "country"),
        ],
        autograph=False,
    )
    def predict(self, words: Any, hour: Any, country: Any) -> dict[str, Any]:
        return self.answer(words, hour, country)


def export(folder: Path, scale: float = 1.0) -> Path:
    """Export the model in the Pusher's layout, and return its folder. All logits are multiplied by `scale`."""
    model = _Planted(scale)
    tf.saved_model.save(model, str(folder), {"serving_default": model.serving_default, "predict": model.predict})
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra" / "bigvocab.json").write_text(json.dumps({"data": DATA, "top_k": TOP}))
    (folder / "assets").mkdir(exist_ok=True)
    (folder / "assets" / "inputs").write_text("".join(f"{9 - n} {word}\n" for n, word in enumerate(WORDS)))
    (folder / "assets" / "category_country").write_text("5 DE\n2 FR\n")
    return folder


def probabilities(row: dict[str, Any], scale: float = 1.0) -> dict[str, float]:
    """Return the probability of each label, computed in Python. A row has `words` as a list."""
    logits = [0.0] * len(LABELS)
    parts = [WORDS.get(word, [0.0] * len(LABELS)) for word in row["words"]]
    parts += [[row.get("hour", 0.0) * weight for weight in OF_HOUR]]
    parts += [OF_COUNTRY] if row.get("country") == "DE" else []
    for part in parts:
        logits = [a + b for a, b in zip(logits, part, strict=True)]
    weights = [math.exp(scale * logit) for logit in logits]
    return {label: weight / sum(weights) for label, weight in zip(LABELS, weights, strict=True)}
