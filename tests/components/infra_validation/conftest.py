"""Small next-word model with a variable, a vocabulary table and the signatures of a BigVocab export."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf

WORDS = ["the", "of", "and", "to", "states", "congress"]
_ROWS = [
    (["the", "state", "of", "the", "union"], 1947.0, "Truman"),
    (["to", "congress"], None, None),
    (["fellow", "citizens", "of", "the", "senate"], 1862.0, "Lincoln"),
]
K = 3


def _example(words: list[str], year: float | None, president: str | None) -> tf.train.Example:
    """Return a raw row in ExampleGen's format."""
    result = tf.train.Example()
    result.features.feature["words"].bytes_list.value.extend(word.encode() for word in words)
    if year is not None:
        result.features.feature["year"].float_list.value.append(year)
    if president is not None:
        result.features.feature["president"].bytes_list.value.append(president.encode())
    return result


class NextWord(tf.Module):
    """Model that returns the K most likely words, from one row of logits per last word."""

    def __init__(self, vocabulary: Path, fault: str | None) -> None:
        super().__init__()
        self.vocabulary = tf.saved_model.Asset(str(vocabulary))
        whole_line, line_number = tf.lookup.TextFileIndex.WHOLE_LINE, tf.lookup.TextFileIndex.LINE_NUMBER
        self.ids = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(self.vocabulary, tf.string, whole_line, tf.int64, line_number), -1
        )
        self.words = tf.lookup.StaticHashTable(
            tf.lookup.TextFileInitializer(self.vocabulary, tf.int64, line_number, tf.string, whole_line), ""
        )
        size = len(WORDS)
        self.logits = tf.Variable(tf.random.stateless_normal([size + 1, size], seed=(1, 2)))
        if fault == "nan":
            self.logits[size].assign([float("nan")] * size)
        self.shift = {"empty": 100, "constant": 0}.get(fault or "", 0)
        self.constant, self.by_batch = fault == "constant", fault == "batch"

    def answer(self, last: tf.Tensor) -> dict[str, tf.Tensor]:
        logits = tf.gather(self.logits, tf.where(last < 0, tf.cast(len(WORDS), tf.int64), last))
        k = tf.minimum(tf.shape(last)[0] + 1, K) if self.by_batch else K
        probabilities, ids = tf.math.top_k(tf.nn.softmax(logits), k)
        ids = tf.cast(ids, tf.int64) * (0 if self.constant else 1) + self.shift
        return {"labels": self.words.lookup(ids), "probabilities": probabilities}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
    def serving_default(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        words = tf.io.parse_example(examples, {"words": tf.io.RaggedFeature(tf.string)})["words"]
        assert isinstance(words, tf.RaggedTensor)
        return self.answer(self.ids.lookup(words[:, -1:].to_tensor(shape=[None, 1])[:, 0]))

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None], tf.string, "words"),
            tf.TensorSpec([None], tf.float32, "year"),
            tf.TensorSpec([None], tf.string, "president"),
        ]
    )
    def predict(self, words: tf.Tensor, year: tf.Tensor, president: tf.Tensor) -> dict[str, tf.Tensor]:
        del year, president
        counts = tf.reduce_sum(tf.cast(words != "", tf.int32), axis=1)
        return self.answer(self.ids.lookup(tf.gather(words, counts - 1, batch_dims=1)))


@pytest.fixture(scope="session")
def export(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return `export(fault)`, which writes an export with one fault or none and returns its new directory."""

    def write(fault: str | None = None) -> Path:
        folder = tmp_path_factory.mktemp("export")
        vocabulary = folder / "labels"
        vocabulary.write_text("\n".join(WORDS) + "\n")
        model, module = folder / "model", NextWord(vocabulary, fault)
        names = ["serving_default"] if fault == "signature" else ["serving_default", "predict"]
        tf.saved_model.save(module, str(model), {name: getattr(module, name) for name in names})
        (model / "assets.extra").mkdir()
        (model / "assets.extra" / "bigvocab.json").write_text(json.dumps({"top_k": K + (fault == "k")}))
        for part in {"table": ["assets/labels"], "variables": ["variables/variables.data-00000-of-00001"]}.get(
            fault or "", []
        ):
            (model / part).unlink()
        if fault == "metadata":
            (model / "assets.extra" / "bigvocab.json").write_text("{")
        return model

    return write


@pytest.fixture(scope="session")
def rows() -> list[tf.train.Example]:
    """Return raw rows, one of them with only words."""
    return [_example(*row) for row in _ROWS]
