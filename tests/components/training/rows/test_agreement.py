"""Tests that training, validation, the `eval` signature and answers agree on whole rows."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from components.layers.optimization.optimizers import RowAdam
from components.preprocessing.vocabulary import vocabularies
from components.training.data.batches import validation_batches as window_batches
from components.training.data.layout import LABEL, Layout
from components.training.data.ngram_counts import count_ngrams
from components.training.data.values import model_inputs
from components.training.data.windows import labelled_windows
from components.training.export import servable as export
from components.training.export.servable import Servable
from components.training.loop.validation import Validator
from components.training.model import build_model
from components.training.rows.batches import count_cuts, training_batches, validation_batches
from components.training.rows.cuts import Cuts
from components.training.rows.hidden import at_labels
from components.training.spec import TrainerSpec
from tests.components.training.conftest import BANDS, SMALL, VOCABULARY, Corpus, serialize

pytestmark = pytest.mark.slow

Untrained = Callable[[str, str | None], tuple[Any, Servable, Layout]]

# Most sentences are longer than the context.
MODELS: dict[str, dict[str, Any]] = {
    "lstm": {"kind": "recurrent", "context": 9, "embedding": 6, "projection": 4, "units": 3},
    "gru": {"kind": "recurrent", "context": 9, "embedding": 6, "projection": 4, "units": 3, "cell": "gru"},
    "transformer": {"kind": "transformer", "context": 9, "embedding": 8, "feedforward": 6, "num_heads": 2},
    "learned": {"kind": "transformer", "context": 9, "embedding": 6, "num_heads": 3, "positions": "learned"},
}
# Also with the n-grams of the row, which may begin before a cut.
MIXED = [
    *(pytest.param(name, None, id=name, marks=[] if name == "lstm" else pytest.mark.slow) for name in MODELS),
    *(pytest.param(name, "ngrams", id=f"{name} with n-grams") for name in ("lstm", "transformer")),
]


def files(corpus: Corpus, split: str) -> list[str]:
    return [str(file) for file in sorted(corpus.folder.glob(f"{split}*.gz"))]


def made(
    model: dict[str, Any], corpus: Corpus, mixture: str | None = None, examples: str = "auto"
) -> tuple[Any, Servable, Layout]:
    """Return a model with random weights, and its servable."""
    head = {"negatives": 64, "mixture": mixture}
    spec = TrainerSpec.model_validate({**SMALL, "model": model, "head": head, "examples": examples, "top_k": 500})
    found = vocabularies(corpus.transform)
    ids, labels = len(found["inputs"]) + VOCABULARY.num_oov_buckets, len(found["labels"])
    layout = Layout.of(corpus.data, corpus.transform, spec.model.context, ids, spec.whole_rows("sequence"))
    assert layout.whole_rows == (examples != "windows")
    layout = layout.counting(spec.head.mixture, len(found["inputs"]), labels)
    tables = count_ngrams(files(corpus, "train"), layout, labels, spec.head.mixture) if layout.counted else None
    classifier = build_model(spec, layout, found["labels"].counts.tolist(), tables)
    rng = np.random.default_rng(0)
    for weight in classifier.trainable_weights:
        weight.assign(rng.normal(scale=0.5, size=weight.shape))
    return classifier, Servable(classifier, corpus.transform, corpus.data, layout, BANDS, spec.top_k), layout


@pytest.fixture(scope="module")
def untrained(sequence: Corpus) -> Untrained:
    """Return a function from the name of a model and its mixture to what `made` returns, the same for all tests.

    The tests do not change the weights.
    """
    return functools.cache(lambda name, mixture: made(MODELS[name], sequence, mixture))


@pytest.mark.parametrize("model", MODELS)
def test_hidden_vectors_are_those_of_the_windows_of_the_cuts(model: str, untrained: Untrained) -> None:
    classifier, _, layout = untrained(model, None)
    lengths = [1, 2, 9, 10, 11, 12, 40, 0, 17]
    rng = np.random.default_rng(1)
    rows = [rng.integers(0, layout.padding, length).tolist() for length in lengths]
    ragged = tf.ragged.constant(rows, dtype=tf.int64, ragged_rank=1, row_splits_dtype=tf.int64)
    features = {
        name: tf.constant(rng.integers(0, 2, len(rows)), tf.float32 if name in layout.numbers else tf.int64)
        for name in (*layout.numbers, *layout.categories)
    }
    cuts = Cuts.of(labelled_windows(ragged, ragged, "sequence"), features, layout)
    inputs = cuts.inputs(features, layout)
    hidden, targets, _ = at_labels(classifier.encoder, inputs, cuts.targets(inputs, features, layout))
    expected = classifier.encoder(model_inputs(cuts.windows, features, layout))
    np.testing.assert_allclose(hidden, expected, atol=1e-5)
    np.testing.assert_array_equal(targets[LABEL], cuts.windows.labels)


@pytest.mark.parametrize(("model", "mixture"), MIXED)
def test_validation_and_eval_measure_the_same(
    model: str, mixture: str | None, sequence: Corpus, untrained: Untrained, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier, servable, layout = untrained(model, mixture)
    monkeypatch.setattr(export, "POSITIONS", 40)  # Several chunks.
    # As an export is: each of so many chunks takes longer outside a graph.
    evaluate = tf.function(servable.evaluate, autograph=False)
    served = evaluate(tf.constant([serialize(row) for row in sequence.rows]))
    nll = rank = count = 0.0
    for inputs, targets in validation_batches(files(sequence, "eval"), layout, 400, 10**6, seed=1):
        values = classifier.row_values(inputs, targets)[LABEL]
        nll += float(tf.reduce_sum(values["nll"]))
        rank += float(tf.reduce_sum(tf.cast((values["rank"] <= 10) & (values["label"] >= 0), tf.float32)))
        count += len(values["nll"])
    assert count == sum(len(row["words"]) - 1 for row in sequence.rows)
    assert float(tf.reduce_sum(served["nll"])) == pytest.approx(nll, rel=1e-5)
    assert float(tf.reduce_sum(served["count"])) == count
    assert float(tf.reduce_sum(served["hit_10"])) == pytest.approx(rank, abs=1)


@pytest.mark.parametrize(
    ("model", "mixture"),
    [("lstm", None), ("lstm", "ngrams"), ("transformer", None)],
    ids=["lstm", "lstm with n-grams", "transformer"],
)
def test_an_answer_has_the_probability_that_eval_measures(
    model: str, mixture: str | None, sequence: Corpus, untrained: Untrained
) -> None:
    _, servable, _ = untrained(model, mixture)
    row = max(sequence.rows, key=lambda row: len(row["words"]))
    assert len(row["words"]) > 20
    # The nll of a label is the difference of the sums of two prefixes.
    prefixes = [{**row, "words": row["words"][:length]} for length in range(1, len(row["words"]) + 1)]
    serialized = tf.constant([serialize(prefix) for prefix in prefixes])
    nll = np.diff(servable.evaluate(serialized)["nll"].numpy())
    answer = servable.examples(serialized)
    compared = 0
    for prefix, (word, measured) in enumerate(zip(row["words"][1:], nll, strict=True)):
        labels = answer["labels"][prefix].numpy().tolist()
        if word in labels:
            found = -np.log(answer["probabilities"][prefix].numpy()[labels.index(word)])
            assert found == pytest.approx(measured, abs=2e-4)
            compared += 1
    assert compared > 10


def test_a_training_on_rows_measures_what_windows_measure(sequence: Corpus) -> None:
    # No row is cut.
    model = {**MODELS["lstm"], "context": max(len(row["words"]) for row in sequence.rows)}
    classifier, servable, layout = made(model, sequence, "ngrams", "rows")
    other, of_windows, window_layout = made(model, sequence, "ngrams", "windows")
    train, held_out = files(sequence, "train"), files(sequence, "eval")
    size = count_cuts(train, layout)
    gate = classifier.label.mixture.gate.get_weights()
    classifier.compile_with(RowAdam(0.02))
    data = training_batches(train, layout, size, size.windows // max(256, size.least_batch), seed=1)
    losses = classifier.fit(data, steps_per_epoch=8, epochs=3, verbose=0, shuffle=False).history["loss"]
    assert losses[-1] < losses[0]
    for before, after in zip(gate, classifier.label.mixture.gate.get_weights(), strict=True):
        assert np.any(before != after), "the gate has not been trained"
    other.set_weights(classifier.get_weights())
    strategy = tf.distribute.get_strategy()
    measured = Validator(classifier, validation_batches(held_out, layout, 256, 10**6, 1), strategy).measure()
    windows = Validator(other, window_batches(held_out, window_layout, 256, 10**6, 1), strategy).measure()
    for name, value in measured.items():
        assert value == pytest.approx(windows[name], rel=1e-5), name
    rows = tf.constant([serialize(row) for row in sequence.rows])
    np.testing.assert_allclose(servable.evaluate(rows)["nll"], of_windows.evaluate(rows)["nll"], rtol=1e-5)
    np.testing.assert_allclose(
        servable.examples(rows)["probabilities"], of_windows.examples(rows)["probabilities"], atol=1e-5
    )


@pytest.mark.parametrize("mixture", [None, "ngrams"])
def test_a_request_without_tokens_is_answered(mixture: str | None, sequence: Corpus, untrained: Untrained) -> None:
    _, servable, _ = untrained("transformer", mixture)
    empty = {**sequence.rows[0], "words": []}
    answer = servable.examples(tf.constant([serialize(empty), serialize(sequence.rows[1])]))
    assert np.isfinite(answer["probabilities"]).all()
    assert servable.examples(tf.constant([], tf.string))["labels"].shape[0] == 0
