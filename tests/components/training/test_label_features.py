"""Tests of models whose labels have features."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from components.layers.label_features.table import Bag, FeatureTable
from components.layers.optimization.optimizers import RowAdam
from components.training.data.layout import LABEL, Layout
from components.training.export.growing import Growing, arguments
from components.training.model import VocabularyClassifier, build_model
from components.training.spec import TrainerSpec

CLASSES = 40
COUNTS = list(range(CLASSES, 0, -1))
LAYOUT = Layout("sequence", 3, CLASSES + 2, (), {})
BRANDS = Bag.of([[i % 4] for i in range(CLASSES)], 4)
TABLE = FeatureTable(np.array(COUNTS), np.linspace(-1, 1, CLASSES, dtype=np.float32)[:, np.newaxis], {"brand": BRANDS})
MODELS: dict[str, dict[str, Any]] = {
    "tied": {"kind": "session", "embedding": 6, "projection": 5, "tie": True},
    "two tables": {"kind": "shared_projection", "embedding": 6, "hidden": 5, "ngrams": 1},
}


def made(model: str, table: FeatureTable | None = TABLE, own_dropout: float = 0.2) -> VocabularyClassifier:
    spec = {"model": {**MODELS[model], "context": 3}, "head": {"negatives": 7, "similarity": "cosine"}}
    return build_model(TrainerSpec.model_validate(spec), LAYOUT, COUNTS, features=table, own_dropout=own_dropout)


def batch(rows: int = 16) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
    rng = np.random.default_rng(1)
    ids, labels = rng.integers(0, CLASSES, (rows, 3)), rng.integers(0, CLASSES, rows)
    return {"input_ids": tf.constant(ids, tf.int32)}, {LABEL: tf.constant(labels, tf.int32)}


@pytest.mark.parametrize("model", MODELS)
def test_the_other_weights_are_those_of_a_model_without_features(model: str) -> None:
    without = {v.path: v for v in made(model, None).weights}
    featured = made(model)
    of_features = {v.path for v in featured.label_features.weights}
    others = [v for v in featured.weights if v.path not in of_features]
    assert [v.path for v in others] == list(without)
    for variable in others:
        np.testing.assert_array_equal(variable, without[variable.path])
    assert len(of_features) == len(featured.weights) - len(others), "each weight has a path of its own"
    assert {path.rpartition("/")[2] for path in of_features} >= {"share", "prior", "bag_0", "numbers"}
    assert featured.encoder.label_features is (featured.label_features if model == "tied" else None)


@pytest.mark.parametrize("model", MODELS)
def test_a_training_step_moves_the_features(model: str) -> None:
    featured = made(model, own_dropout=0.5)
    featured.compile_with(RowAdam(0.01))
    before = {v.path: v.numpy() for v in featured.weights}
    featured.train_step(batch())
    moved = {v.path for v in featured.trainable_variables if not np.array_equal(v, before[v.path])}
    assert {v.path for v in featured.label_features.trainable_variables} <= moved
    fixed = featured.label_features.lookup_weights
    assert all(np.array_equal(v, before[v.path]) for v in fixed)
    assert {v.path for v in fixed} <= {v.path for v in featured.count_weights}


@pytest.mark.parametrize("model", MODELS)
def test_rows_can_be_added_to_the_classes_of_a_graph(model: str) -> None:
    featured = made(model)
    rng = np.random.default_rng(2)
    for variable in featured.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    inputs, targets = batch()
    hidden, labels = featured.encoder(inputs), targets[LABEL]
    expected = featured.label.sweep(hidden, labels, k=3)
    featured.freeze()
    growing = Growing(featured)

    @tf.function(autograph=False)
    def swept(labels: tf.Tensor) -> Any:
        return featured.label.sweep(hidden, labels, k=3), featured.label.scorer(hidden)(tf.range(16), labels)

    found, scores = swept(labels)
    for some, right in zip(found, expected, strict=True):
        np.testing.assert_allclose(some, right, rtol=1e-4, atol=1e-5)

    new = FeatureTable(np.zeros(2, np.int64), np.array([[0.3], [-2.0]], np.float32), {"brand": Bag.of([[1], []], 4)})
    rows = growing.signature()(**arguments(new))
    # The same rows as a label without occurrences in a table of its own.
    table = FeatureTable(
        np.append(COUNTS, [0, 0]),
        np.concatenate([TABLE.numbers, new.numbers]),
        {"brand": Bag.of([*([i % 4] for i in range(CLASSES)), [1], []], 4)},
    )
    reference = build_reference(model, table, featured)
    np.testing.assert_allclose(rows["class_vectors"], reference[0][CLASSES:], rtol=1e-5, atol=1e-6)
    features = featured.label_features
    np.testing.assert_allclose(
        rows["class_biases"], features.prior + features.bias_sum.sum_of(*given(new))[:, 0], rtol=1e-6
    )

    for variable, name in zip(growing.variables, Growing.VARIABLES, strict=True):
        variable.assign(tf.concat([variable, rows[name]], axis=0))
    more, more_scores = swept(tf.fill([16], CLASSES + 1))
    vectors, biases = growing.variables
    logits = tf.matmul(featured.label.head.scaled(hidden), vectors, transpose_b=True) + biases
    nll = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.fill([16], CLASSES + 1), logits)
    np.testing.assert_allclose(more.nll, nll, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(more_scores, logits[:, CLASSES + 1], rtol=1e-4, atol=1e-5)
    best = tf.math.top_k(logits, 3).indices
    np.testing.assert_array_equal(more.ids, best)
    assert np.max(more.ids) < CLASSES + 2
    assert not np.allclose(scores, more_scores)


def given(table: FeatureTable) -> tuple[dict[str, tuple[tf.Tensor, tf.Tensor]], tf.Tensor]:
    sizes = {name: (tf.constant(bag.entries), tf.constant(np.diff(bag.starts))) for name, bag in table.bags.items()}
    return sizes, tf.constant(table.numbers)


def build_reference(model: str, table: FeatureTable, trained: VocabularyClassifier) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the vectors and biases of a model with more labels and the weights of a trained one."""
    layout = Layout("sequence", 3, len(table.counts) + 2, (), {})
    spec = {"model": {**MODELS[model], "context": 3}, "head": {"negatives": 7, "similarity": "cosine"}}
    larger = build_model(TrainerSpec.model_validate(spec), layout, table.counts.tolist(), features=table)
    values = {v.path: v for v in trained.trainable_variables}
    for variable in larger.trainable_variables:
        if variable.shape == values[variable.path].shape:
            variable.assign(values[variable.path])
    return larger.label.head.all_rows()


def test_an_encoder_that_looks_up_its_own_inputs_is_refused() -> None:
    spec = TrainerSpec.model_validate({"model": {"kind": "ten_inputs", "tie": True}})
    with pytest.raises(ValueError, match=r"labels: the encoder 'ten_inputs'.*tie: false"):
        build_model(spec, LAYOUT, COUNTS, features=TABLE)
