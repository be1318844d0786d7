"""Tests of the predictions that the report shows, with a model whose answers are known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from components.evaluation.shown.predictions import Answered, Asked, answered, examples, labels, sampled
from components.ingest.spec import DataSpec
from components.metrics.targets import Target
from components.names import FIRST_LABEL

SEQUENCES = DataSpec.model_validate(
    {"shape": "sequence", "source": {"kind": "text", "path": "x.txt"}, "inputs": ["words"]}
)
ROWS = DataSpec.model_validate(
    {"shape": "labelled", "source": {"kind": "csv", "path": "x.csv"}, "inputs": ["items"], "label": "bought"}
)
LABEL = Target("", "label", ("popular", "bigram"))


def record(**columns: Any) -> bytes:
    example = tf.train.Example()
    for name, values in columns.items():
        feature = example.features.feature[name]
        if isinstance(values[0], str):
            feature.bytes_list.value.extend(value.encode() for value in values)
        elif isinstance(values[0], float):
            feature.float_list.value.extend(values)
        else:
            feature.int64_list.value.extend(values)
    return example.SerializeToString()


def tokens_of(asked: Asked, column: str) -> list[str]:
    example = tf.train.Example.FromString(asked.record)
    return [value.decode() for value in example.features.feature[column].bytes_list.value]


def test_a_sequence_ends_before_its_label() -> None:
    words = [f"w{n}" for n in range(7)]
    rows = [record(words=words, decade=["1940s"], **{FIRST_LABEL: [4], "bigvocab/row": [0]})]
    found = sampled(iter(rows), SEQUENCES, ["decade"], LABEL)
    assert len(found) == 3, "each label once"
    for asked in found:
        ((label,), known) = asked.truth, tokens_of(asked, "words")
        assert [*known, label] == words[: len(known) + 1]
        assert asked.tokens == known
        assert asked.slices == {"decade": "1940s"}
        assert b"bigvocab/" not in asked.record
    assert {asked.truth[0] for asked in found} == {"w4", "w5", "w6"}
    assert found == sampled(iter(rows), SEQUENCES, ["decade"], LABEL)


def test_a_row_without_a_label_to_predict_is_left_out() -> None:
    assert sampled(iter([record(words=["alone"])]), SEQUENCES, [], LABEL) == []
    assert sampled(iter([record(items=["a"])]), ROWS, [], LABEL) == []
    assert sampled(iter([]), ROWS, [], LABEL) == []


def test_a_labeled_row_has_the_hits_of_the_baselines() -> None:
    sums = dict.fromkeys(LABEL.stored_names, 0.0)
    stored = {
        LABEL.feature("popular"): [*sums.values()],
        LABEL.feature("bigram"): [*(sums | {"hit_10": 1.0}).values()],
    }
    (asked,) = sampled(iter([record(items=["a", "b"], bought=["c"], **stored)]), ROWS, [], LABEL)
    assert (asked.tokens, asked.truth, asked.hits) == (["a", "b"], ["c"], {"popular": 0.0, "bigram": 1.0})


def _model(*answer: str) -> Any:
    def answers(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        rows = len(examples)
        probabilities = np.linspace(0.5, 0.1, len(answer))
        return {"labels": tf.constant([answer] * rows), "probabilities": tf.constant([probabilities] * rows)}

    return SimpleNamespace(signatures={"serving_default": answers})


def _asked(truth: str, *tokens: str, **slices: str) -> Asked:
    return Asked(b"", [*tokens], [truth], slices, {})


def test_a_prediction_is_right_near_or_wrong() -> None:
    model = _model(*"abcdefghijkl")
    found = answered(model, [_asked("a"), _asked("j"), _asked("k"), _asked("z")])
    assert [(row.rank, row.result) for row in found] == [(1, "right"), (10, "near"), (11, "wrong"), (None, "wrong")]
    (without,) = answered(model, [_asked("b", "a")], excluded=True)
    assert (without.labels[0], without.rank) == ("b", 1)


def test_the_examples_have_each_result_and_each_slice() -> None:
    asked = [_asked("a", decade="1940s")] * 9 + [_asked("z", decade="1950s")] * 9 + [_asked("b", decade="1960s")]
    found = examples(answered(_model("a", "b"), asked))
    assert [of["result"] for of in found] == [*4 * ["right"], "near", *4 * ["wrong"], "right", "wrong"]
    assert [of["slices"]["decade"] for of in found[-2:]] == ["1940s", "1950s"]
    assert found[0]["answers"] == [
        {"label": "a", "probability": 0.5},
        {"label": "b", "probability": pytest.approx(0.1)},
    ]


def test_the_labels_are_compared_with_the_best_baseline() -> None:
    def row(truth: str, hit: bool, **hits: float) -> Answered:
        return Answered(Asked(b"", [], [truth], {}, hits), [truth if hit else "other"], [1.0])

    rows = [row("easy", True, popular=1, bigram=0)] * 6
    rows += [row("gained", n < 5, popular=0, bigram=float(n < 1)) for n in range(6)]
    rows += [row("hard", False, popular=0, bigram=1)] * 7 + [row("rare", False, popular=0, bigram=0)] * 4
    found = labels(rows)
    assert found["baseline"] == "bigram"
    assert [(of["label"], of["count"]) for of in found["hardest"]] == [("hard", 7), ("gained", 6), ("easy", 6)]
    assert [of["label"] for of in found["most_improved"]] == ["easy", "gained"]
    without = labels([Answered(_asked("a"), ["a"], [1.0])] * 5)
    assert (without["baseline"], without["most_improved"]) == (None, [])
    assert without["hardest"][0]["baseline_recall_at_10"] is None
