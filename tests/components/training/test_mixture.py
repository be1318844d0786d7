"""Tests of a model that is mixed with n-gram counts, from the counts to the exported model."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from components.baselines.counting import packed
from components.baselines.models.kneser_ney import KneserNey
from components.baselines.models.tables import tables_of
from components.baselines.reading import Encoder, Labels
from components.layers.mixture.spec import NgramMixtureSpec
from components.layers.optimization.optimizers import FusedAdam
from components.preprocessing.vocabulary import read_vocabulary, vocabularies
from components.training.data.batches import validation_batches
from components.training.data.layout import LABEL, Layout
from components.training.data.ngram_counts import count_ngrams
from components.training.export.servable import Servable
from components.training.held_out import calibrate
from components.training.loop.validation import Validator
from components.training.model import build_model
from components.training.spec import TrainerSpec
from components.training.warm_start.transfer import Earlier, start_from, write
from tests.components.training.conftest import BANDS, LIGHT, MIXTURE, SMALL, VOCABULARY, Corpus, Row, serialize

pytestmark = pytest.mark.slow

SHAPES = ["sequence", "labelled"]


class Mixed:
    """Untrained model that is mixed with the counts of a corpus, and the baseline of the same counts."""

    def __init__(self, corpus: Corpus, max_ngrams: int) -> None:
        self.corpus = corpus
        found = vocabularies(corpus.transform)
        self.encoder = Encoder(corpus.data, found["inputs"], found["labels"])
        self.labels = found["labels"].tokens
        self.spec = NgramMixtureSpec(max_ngrams=max_ngrams)
        ids = len(found["inputs"]) + VOCABULARY.num_oov_buckets
        layout = Layout.of(corpus.data, corpus.transform, 4, ids)
        self.layout = layout.counting(self.spec, len(found["inputs"]), len(self.labels))
        tables = count_ngrams(self.files("train"), self.layout, len(self.labels), self.spec)
        self.model = build_model(
            TrainerSpec.model_validate({**SMALL, "model": LIGHT}), self.layout, found["labels"].counts.tolist(), tables
        )
        rng = np.random.default_rng(0)
        for weight in self.model.trainable_weights:
            weight.assign(rng.normal(scale=0.3, size=weight.shape))
        self.servable = Servable(self.model, corpus.transform, corpus.data, self.layout, BANDS, top_k=len(self.labels))

    def files(self, split: str) -> list[str]:
        return [str(file) for file in sorted(self.corpus.folder.glob(f"{split}*.gz"))]

    def cut(self, rows: list[Row]) -> Labels:
        return self.encoder([serialize(row) for row in rows])

    def nll(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        return self.servable.evaluate(tf.constant([serialize(row) for row in rows]))["nll"].numpy()

    def probabilities(self, rows: Sequence[Row], tokens: Sequence[bytes]) -> list[float]:
        """Return the probability of a token in the answer to each row; NaN for a token that is no label."""
        answer = self.servable.examples(tf.constant([serialize(row) for row in rows]))
        labels, probabilities = answer["labels"].numpy().tolist(), answer["probabilities"].numpy()
        places = [of.index(token) if token in of else None for of, token in zip(labels, tokens, strict=True)]
        return [math.nan if place is None else float(probabilities[n, place]) for n, place in enumerate(places)]


@pytest.fixture(scope="module")
def mixed(request: pytest.FixtureRequest) -> dict[str, Mixed]:
    return {shape: Mixed(request.getfixturevalue(shape), max_ngrams=400) for shape in SHAPES}


@pytest.mark.parametrize("shape", SHAPES)
def test_counts_are_those_of_the_baselines(shape: str, mixed: dict[str, Mixed]) -> None:
    it = mixed[shape]
    cut = it.cut(it.corpus.rows)
    known = cut.labels >= 0
    sizes = {"n_contexts": it.encoder.contexts, "n_classes": it.encoder.classes}
    keys = packed(cut.contexts[known], cut.labels[known], **sizes)
    shared = {"order": it.encoder.order, "continuation": shape == "sequence", "most": 400}
    wanted = tables_of(*np.unique(keys, return_counts=True), **sizes, **shared)
    found = count_ngrams(it.files("eval"), it.layout, len(it.labels), it.spec)
    assert found.contexts == it.encoder.contexts
    np.testing.assert_array_equal(found.unigrams, wanted.unigrams)
    for one, other in zip(found.orders, wanted.orders, strict=True):
        for name in ("keys", "counts", "contexts", "starts", "totals", "pruned", "discount"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("shape", SHAPES)
def test_pairs_count_the_rows_that_have_both(shape: str, mixed: dict[str, Mixed]) -> None:
    it, window = mixed[shape], 3
    spec = NgramMixtureSpec(max_ngrams=10**9, pairs=window)
    layout = it.layout.counting(spec, it.layout.counted_ids, len(it.labels))
    pairs = count_ngrams(it.files("eval"), layout, len(it.labels), spec).pairs
    cut, classes = it.cut(it.corpus.rows), len(it.labels)
    earlier, together = cut.earlier, set()
    for label, row, start, end in zip(cut.labels, cut.rows, earlier.starts, earlier.ends, strict=True):
        for token in earlier.items[max(start, end - window) : end]:
            if label >= 0 and token < it.layout.counted_ids:
                together |= {(row, token, label)} | ({(row, label, token)} if shape == "sequence" else set())
    wanted = Counter(int(token) * classes + int(label) for _, token, label in together)
    assert dict(zip(pairs.keys.tolist(), pairs.counts.tolist(), strict=True)) == wanted


def test_the_gate_is_calibrated_on_held_out_rows(mixed: dict[str, Mixed]) -> None:
    it = mixed["sequence"]
    gate, batches = it.model.label.mixture.gate, validation_batches(it.files("eval"), it.layout, 64, 10_000, 1)
    weights = gate.get_weights()

    def nll(calibrates: bool = False) -> float:
        return Validator(it.model, batches, tf.distribute.get_strategy(), calibrates=calibrates).measure()["nll"]

    try:
        before, validated = nll(), nll(calibrates=True)
        for now, trained in zip(gate.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(now, trained, "a validation has changed the weights")
        found = calibrate(it.model, batches)
        described = found.mixture
        assert found.label
        assert found.label["before"]["nll"] == pytest.approx(validated, rel=1e-5)
        assert found.label["after"]["nll"] == pytest.approx(nll(), rel=1e-5)
        assert found.label["after"]["nll"] <= found.label["before"]["nll"]
        assert it.model.label.temperature.numpy() == np.float32(found.label["temperature"])
        # The model is untrained, so the counts are better.
        assert nll() < before - 0.01
        assert described
        assert described["mean_gate"] < 0.5
    finally:
        gate.set_weights(weights)
        it.model.label.temperature.assign(1.0)


def test_a_split_without_known_labels_leaves_the_model_as_it_is(mixed: dict[str, Mixed]) -> None:
    it = mixed["sequence"]
    gate, batches = it.model.label.mixture.gate, validation_batches(it.files("eval"), it.layout, 64, 100, 1)
    weights = gate.get_weights()
    unknown = batches.map(lambda inputs, targets: (inputs, {**targets, LABEL: -tf.ones_like(targets[LABEL])}))
    assert calibrate(it.model, unknown).label is None
    assert it.model.label.temperature.numpy() == 1
    for now, before in zip(gate.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(now, before)


@pytest.mark.parametrize("shape", SHAPES)
def test_served_probabilities_are_the_evaluated_ones(
    shape: str, mixed: dict[str, Mixed], request: pytest.FixtureRequest
) -> None:
    it = mixed[shape]
    it.model.label.temperature.assign(1.3)
    request.addfinalizer(lambda: it.model.label.temperature.assign(1.0))
    # The row has tokens outside the vocabularies.
    row = max(it.corpus.rows, key=lambda row: len(row["words" if shape == "sequence" else "rest"]))
    if shape == "labelled":
        row = next(row for row in it.corpus.rows if row["next"][0].decode() in it.labels)
        (found,) = it.probabilities([{**row, "next": []}], [row["next"][0]])
        assert it.nll([row])[0] == pytest.approx(-np.log(found), rel=1e-4)
        return
    known = {token.encode() for token in it.labels}
    assert not set(row["words"][:12]) <= known, "choose a row with unknown words"
    # The nll of a token is the difference of the sums of two prefixes.
    prefixes, tokens = [{**row, "words": row["words"][:length]} for length in range(1, 13)], row["words"][1:12]
    nll, found = np.diff(it.nll(prefixes)), it.probabilities(prefixes[:-1], tokens)
    for token, of_token, probability in zip(tokens, nll, found, strict=True):
        if token in known:
            assert of_token == pytest.approx(-np.log(probability), rel=1e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_mixture_includes_the_baseline_of_its_order(shape: str, mixed: dict[str, Mixed]) -> None:
    it = mixed[shape]
    gate = it.model.label.mixture.gate
    weights = gate.get_weights()
    gate.set_weights([np.zeros_like(w) for w in weights[:-1]] + [np.full_like(weights[-1], -100)])  # The counts alone.
    try:
        cut = it.cut(it.corpus.rows[:20])
        nll = it.servable.evaluate(tf.constant([serialize(row) for row in it.corpus.rows[:20]]))["nll"]
    finally:
        gate.set_weights(weights)
    known = cut.labels >= 0
    score = baseline(it).score(cut.contexts[known], cut.labels[known])[0]
    np.testing.assert_allclose(nll, np.bincount(cut.rows[known], score, minlength=20), rtol=1e-4, atol=1e-4)


def baseline(it: Mixed) -> KneserNey:
    """Count what the model has counted, by way of the unpruned tables of NumPy."""
    whole = count_ngrams(it.files("train"), it.layout, len(it.labels), NgramMixtureSpec(max_ngrams=10**9))
    return KneserNey(
        whole.orders[-1].keys,
        whole.orders[-1].counts,
        order=it.encoder.order,
        n_contexts=it.encoder.contexts,
        n_classes=it.encoder.classes,
        continuation=whole.continuation,
        most=400,
    )


def test_a_warm_start_takes_the_gate_and_keeps_the_new_counts(
    mixed: dict[str, Mixed], sequence: Corpus, tmp_path: Path
) -> None:
    old, new = mixed["sequence"].model, Mixed(sequence, max_ngrams=300).model
    tokens = {**sequence_tokens(sequence), **old.encoder.own_vocabularies}
    for model in (old, new):
        model.compile_with(FusedAdam(0.01))
    new.label.mixture.gate.set_weights([np.zeros_like(w) for w in new.label.mixture.gate.get_weights()])
    counts = [v.numpy() for v in new.count_weights]
    write(str(tmp_path), old, old.get_weights(), tokens)
    started = start_from(Earlier(str(tmp_path)), new, tokens)
    assert started["fresh"] == []
    assert started["optimizer"]
    gates = zip(new.label.mixture.gate.get_weights(), old.label.mixture.gate.get_weights(), strict=True)
    for one, other in gates:
        np.testing.assert_array_equal(one, other)
    for variable, before in zip(new.count_weights, counts, strict=True):
        np.testing.assert_array_equal(variable.numpy(), before)


def sequence_tokens(corpus: Corpus) -> dict[str, list[str]]:
    found = {name: of.tokens for name, of in vocabularies(corpus.transform).items()}
    file = corpus.transform.vocabulary_file_by_name("category_party")
    return {**found, "category_party": read_vocabulary(file).tokens}


@pytest.mark.parametrize("examples", ["windows", "rows"])
def test_a_training_learns_the_gate_and_exports_the_counts(
    examples: str, sequence: Corpus, run: Any, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if examples == "rows":
        model = {"kind": "recurrent", "context": 9, "embedding": 6, "projection": 4, "units": 8}
        folder = tmp_path
        run(sequence.fn_args(folder, {"model": model, "head": MIXTURE}))
    else:
        folder = request.getfixturevalue("mixed_training")
    about = json.loads((folder / "run" / "training.json").read_text())
    assert about["examples"] == examples
    mixture = about["mixture"]
    assert mixture["order"] == 3
    assert 0 < mixture["mean_gate"] < 1
    assert mixture["cache"] == 200
    assert 0 < mixture["mean_cache"] < 1 - mixture["mean_gate"]
    assert mixture["mean_gate"] != pytest.approx(0.8, abs=1e-3), "the gate has not been trained"
    variables = tf.train.list_variables(str(folder / "model" / "variables" / "variables"))
    assert [mixture["ngrams"]["3"]] in [shape for _, shape in variables]
    served = tf.saved_model.load(str(folder / "model")).signatures["eval"]
    sums = served(examples=tf.constant([serialize(row) for row in sequence.rows]))
    nll = float(tf.reduce_sum(sums["nll"])) / float(tf.reduce_sum(sums["known"]))
    assert about["label_calibration"]["before"]["nll"] == pytest.approx(about["best"]["nll"], rel=1e-4)
    assert nll == pytest.approx(about["label_calibration"]["after"]["nll"], rel=1e-4)
