"""Tests of the predictions for a sample."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from components.layers.outputs import ClassOutput
from components.messages.formatting import in_markdown
from components.training.board.distributions import norms, temperatures
from components.training.board.sample import SHOWN, Sample
from components.training.data.layout import LABEL, Layout
from components.training.faults.readable import Readable
from components.training.model import VocabularyClassifier, build_model
from components.training.rows.cuts import NO_LABEL, TOTAL
from components.training.spec import TrainerSpec
from tests.components.training.conftest import SMALL

TOKENS = ["<i>", "a|b", "**x**", "t\n", "5", *(f"word{i}" for i in range(5, 10))]
LAYOUT = Layout("sequence", 4, 10, (), {})
READABLE = Readable({"inputs": TOKENS, "labels": TOKENS}, LAYOUT)


def model(kind: str, layout: Layout = LAYOUT) -> VocabularyClassifier:
    sizes = {"units": 8} if kind == "recurrent" else {"hidden": 8}
    of = {"kind": kind, "context": 4, "embedding": 8, "projection": 8, **sizes}
    built = build_model(TrainerSpec.model_validate({**SMALL, "model": of}), layout, [9, 5, 5, 5, 5, 5, 5, 5, 5, 5])
    built.encoder.adapt(lambda length: [tf.zeros([1, length], tf.int32)])
    return built


def windows(count: int) -> tf.data.Dataset:
    ids = np.random.default_rng(0).integers(0, 10, [count, 4])
    labels = np.arange(count) % 11 - 1
    batch = {"input_ids": tf.constant(ids, tf.int32)}, {LABEL: tf.constant(labels, tf.int32)}
    return tf.data.Dataset.from_tensors(batch)


def cells(table: str) -> list[list[str]]:
    return [line.strip("| ").split(" | ") for line in table.splitlines()]


def test_the_table_has_the_answers_of_the_model() -> None:
    built, data = model("shared_projection"), windows(40)
    found = Sample(data, READABLE).predictions(built)
    assert found is not None
    head, dashes, *lines = cells(found.table)
    assert head == ["Input", "Label", "Rank", *(f"Answer {i}" for i in range(1, 6))]
    assert set(dashes) == {"---"}
    assert len(lines) == SHOWN
    inputs, targets = next(iter(data))
    label = built.label
    assert isinstance(label, ClassOutput)
    answers = label.sweep(built.encoder(inputs), targets[LABEL], k=1)
    assert found.values["confidence"] == pytest.approx(answers.probabilities[:, 0].numpy(), rel=1e-5)
    # The first line is the first window, whose label is outside the vocabulary.
    assert lines[0][1:3] == ["?", "-"]
    assert lines[-1][2] == str(int(answers.rank[-1]))
    assert lines[-1][3].split()[0] == in_markdown(TOKENS[int(answers.ids[-1, 0])]).split()[0]


def test_nothing_of_the_data_is_markdown_or_html() -> None:
    found = Sample(windows(40), READABLE).predictions(model("shared_projection"))
    assert found is not None
    body = "\n".join(found.table.splitlines()[2:])
    assert "&#60;i&#62;" in body
    assert not set(body) & set("<>*`_[]")
    assert {len(row) for row in cells(found.table)} == {8}


def test_whole_rows_have_a_line_for_a_position() -> None:
    labels = [[1, NO_LABEL, 3], [5, NO_LABEL, NO_LABEL]]
    inputs = {"input_ids": tf.constant([[0, 1, 2], [4, 10, 10]])}
    data = tf.data.Dataset.from_tensors((inputs, {LABEL: tf.constant(labels), TOTAL: tf.constant([3, 3])}))
    found = Sample(data, READABLE).predictions(model("recurrent"))
    assert found is not None
    lines = cells(found.table)[2:]
    assert [line[1] for line in lines] == [in_markdown(TOKENS[label]) for label in (1, 3, 5)]
    assert lines[1][0] == " ".join(in_markdown(TOKENS[i]) for i in (0, 1, 2))


def test_a_split_without_rows_has_no_predictions() -> None:
    assert Sample(windows(40).take(0), READABLE).predictions(model("shared_projection")) is None


def test_looking_changes_no_weight() -> None:
    built = model("shared_projection")
    before = built.get_weights()
    Sample(windows(40), READABLE).predictions(built)
    found = norms(built)
    for old, new in zip(before, built.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    table = built.encoder.embedding.embeddings.numpy()
    np.testing.assert_allclose(found["input_embeddings"], np.linalg.norm(table, axis=1), rtol=1e-5)
    assert found["class_vectors"].shape == (10,)
    assert any(name.startswith("shared/") for name in found)
    assert temperatures(built) == {"temperature": 1.0}
