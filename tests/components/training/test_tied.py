"""Tests of class vectors that are token vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from components.layers.optimization.optimizers import RowAdam
from components.training.data.layout import LABEL, Layout
from components.training.model import VocabularyClassifier, build_model
from components.training.spec import TrainerSpec
from components.training.warm_start.transfer import Earlier, start_from, write

CLASSES, BUCKETS = 97, 2  # No other weight has as many rows.
COUNTS = list(range(CLASSES, 0, -1))
LAYOUT = Layout("sequence", 3, CLASSES + BUCKETS, (), {}, target_counts={"party": (8, 4, 2)})
MODELS: dict[str, dict[str, Any]] = {
    "projected": {"kind": "shared_projection", "embedding": 5, "projection": 6, "ordered_ids": 2, "ngrams": 1},
    "embedded": {"kind": "shared_projection", "embedding": 6, "projection": "none", "ngrams": 1},
    "session": {"kind": "session", "embedding": 6},
    "session, projected": {"kind": "session", "embedding": 5, "projection": 6},
    "lstm": {"kind": "recurrent", "embedding": 6, "projection": 4, "units": 3},
}
HEADS = [{"form": form, "similarity": s} for form in ("own", "shared", "full") for s in ("dot", "cosine")]


def made(model: str, tie: bool, **head: Any) -> VocabularyClassifier:
    spec = {
        "model": {**MODELS[model], "context": 3, "hidden": 6, "tie": tie, "dropout": 0.0},
        "head": {"negatives": 7, **head},
    }
    return build_model(TrainerSpec.model_validate(spec), LAYOUT, COUNTS)


def pair(model: str, **head: Any) -> tuple[VocabularyClassifier, VocabularyClassifier]:
    """Return a tied model, and an untied one with the same weights, whose table holds the token vectors."""
    tied, untied = made(model, True, **head), made(model, False, **head)
    rng = np.random.default_rng(0)
    for variable in tied.weights:
        variable.assign(rng.normal(size=variable.shape))
    values = {variable.path: variable for variable in tied.weights}
    for variable in untied.weights:
        if variable is untied.label.head.table:
            variable.assign(tied.encoder.first_token_vectors(CLASSES))
        else:
            variable.assign(values[variable.path])
    return tied, untied


def batch(rows: int = 9) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
    rng = np.random.default_rng(1)
    ids = rng.integers(0, CLASSES + BUCKETS + 1, (rows, 3))
    ids[:, -1] = rng.integers(0, CLASSES, rows)
    targets = {
        LABEL: tf.constant(rng.integers(-1, CLASSES, rows), tf.int32),
        "party": tf.constant(rng.integers(0, 3, rows), tf.int32),
    }
    return {"input_ids": tf.constant(ids, tf.int32)}, targets


def gradients(model: VocabularyClassifier) -> tuple[tf.Tensor, dict[str, np.ndarray]]:
    inputs, targets = batch()
    with tf.GradientTape() as tape:
        losses = model.row_losses(model.encoder(inputs), targets, tf.constant([3, 4]))[LABEL]
        total = tf.reduce_sum(losses)
    variables = model.trainable_variables
    found = tape.gradient(total, [v.value for v in variables], unconnected_gradients="zero")
    return losses, {v.path: tf.convert_to_tensor(g).numpy() for v, g in zip(variables, found, strict=True)}


@pytest.mark.parametrize("head", HEADS, ids=str)
@pytest.mark.parametrize("model", MODELS)
def test_tied_equals_untied_with_copied_weights_and_the_gradients_add_up(model: str, head: dict[str, Any]) -> None:
    tied, untied = pair(model, **head)
    (losses, ours), (theirs_losses, theirs) = gradients(tied), gradients(untied)
    np.testing.assert_allclose(losses, theirs_losses, rtol=1e-5, atol=1e-6)
    inputs, targets = batch()
    for name, values in tied.row_values(inputs, targets)[LABEL].items():
        np.testing.assert_allclose(values, untied.row_values(inputs, targets)[LABEL][name], rtol=1e-4, atol=1e-5)
    # Bring the gradient of the untied table to the weights that its rows are made of.
    of_table = theirs.pop(untied.label.head.table.path)
    variables = {v.path: v for v in tied.trainable_variables}
    with tf.GradientTape() as tape:
        vectors = tied.encoder.first_token_vectors(CLASSES)
    through = tape.gradient(
        vectors, [v.value for v in variables.values()], output_gradients=of_table, unconnected_gradients="zero"
    )
    for path, more in zip(variables, through, strict=True):
        np.testing.assert_allclose(
            ours[path], theirs[path] + tf.convert_to_tensor(more), rtol=1e-3, atol=2e-5, err_msg=path
        )


@pytest.mark.parametrize("model", MODELS)
def test_there_is_one_table(model: str) -> None:
    tied, untied = made(model, True), made(model, False)
    assert tied.count_params() == untied.count_params() - CLASSES * 6
    assert len(tied.weights) == len(untied.weights) - 1
    assert len(tied.further["party"].head.weights) == 2  # Only the label is tied.
    rows = [v.shape[0] for v in tied.trainable_variables if v.shape and v.shape[0] >= CLASSES]
    # One table of tokens, buckets and padding; the pooling's salience; the bias of the classes.
    pooled = hasattr(tied.encoder, "pooling")
    assert sorted(rows) == sorted([CLASSES, CLASSES + BUCKETS + 1, *([CLASSES + BUCKETS + 1] if pooled else [])])


@pytest.mark.parametrize("model", ["projected", "embedded"])
def test_the_optimizer_moves_a_row_once_by_the_sum_of_both_gradients(model: str) -> None:
    tied = made(model, True, form="own", negatives=3)
    _, summed = gradients(tied)
    table = tied.encoder.embedding.embeddings
    before, path = table.numpy(), table.path
    optimizer = RowAdam(0.1)
    tied.compile_with(optimizer)
    inputs, targets = batch()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tied.row_losses(tied.encoder(inputs), targets, tf.constant([3, 4]))[LABEL])
    found = tape.gradient(loss, [v.value for v in tied.trainable_variables], unconnected_gradients="zero")
    gradient = found[[v.path for v in tied.trainable_variables].index(path)]
    assert isinstance(gradient, tf.IndexedSlices)  # A step does not read the whole table.
    optimizer.apply_gradients(zip(found, tied.trainable_variables, strict=True))
    # The first step of Adam moves each value by the learning rate, whatever the size of its gradient.
    step = 0.1 * summed[path] / (np.abs(summed[path]) + 1e-7 / np.sqrt(1 - 0.999))
    np.testing.assert_allclose(table.numpy() - before, -step, rtol=1e-3, atol=1e-5)


def test_a_step_on_the_sample_reads_no_whole_table() -> None:
    tied = made("projected", True, form="own", negatives=3, similarity="cosine")

    @tf.function
    def step(inputs, targets):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tied.label.row_losses(tied.encoder(inputs), targets[LABEL], tf.constant([3, 4])))
        return tape.gradient(loss, tied.encoder.embedding.embeddings.value)

    operations = step.get_concrete_function(*batch()).graph.get_operations()
    read = [o.outputs[0].shape for o in operations if o.type == "ReadVariableOp"]
    assert not [shape for shape in read if shape.rank == 2 and shape[0] >= CLASSES], read


def test_a_warm_start_moves_the_rows_of_tokens_that_are_inputs_and_classes(tmp_path: Path) -> None:
    old, new = made("projected", True, similarity="cosine"), made("projected", True, similarity="cosine")
    tokens = [f"t{i}" for i in range(CLASSES)]
    turned = tokens[::-1]
    for model in (old, new):
        model.compile_with(RowAdam(0.1))
    rng = np.random.default_rng(0)
    for variable in old.weights:
        variable.assign(rng.normal(size=variable.shape))
    party = {"category_party": ["a", "b", "c"]}
    write(str(tmp_path), old, old.get_weights(), {"inputs": tokens, "labels": tokens, **party})
    started = start_from(Earlier(str(tmp_path)), new, {"inputs": turned, "labels": turned, **party})
    assert started["fresh"] == []
    np.testing.assert_array_equal(
        new.encoder.first_token_vectors(CLASSES), old.encoder.first_token_vectors(CLASSES)[::-1]
    )
    np.testing.assert_array_equal(new.label.head.bias, np.asarray(old.label.head.bias)[::-1])


def test_the_output_must_be_as_wide_as_the_token_vectors() -> None:
    spec = {"model": {**MODELS["projected"], "tie": True, "hidden": 7}}
    with pytest.raises(ValueError, match="of width 6, so 'hidden' must be 6 and not 7"):
        TrainerSpec.model_validate(spec)
    assert TrainerSpec.model_validate({"model": {**MODELS["projected"], "tie": True}}).model.hidden == 6
    assert TrainerSpec.model_validate({"model": MODELS["projected"]}).model.hidden == 128
