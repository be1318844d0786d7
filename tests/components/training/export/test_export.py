"""Tests of the export, loaded as model servers do, against the model and against NumPy."""

from __future__ import annotations

import dataclasses
import functools
import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from components.metrics.rows import row_sums
from components.metrics.targets import label_target
from components.names import key_of
from components.preprocessing.vocabulary import vocabularies
from components.training.data.batches import latest_ids
from components.training.data.layout import Layout
from components.training.export.saved_model import export
from components.training.export.servable import Servable
from components.training.model import VocabularyClassifier, build_model
from components.training.spec import TrainerSpec
from tests.components.training.conftest import BANDS, SMALL, VOCABULARY, Corpus, serialize

pytestmark = pytest.mark.slow

SPEC = TrainerSpec.model_validate(SMALL)


Served = tuple[tf.compat.v1.Session, Any]


def load(path: Path) -> Served:
    """Return an export in a graph session, and its signatures by name."""
    with tf.Graph().as_default() as graph:
        session = tf.compat.v1.Session(graph=graph)
        return session, tf.compat.v1.saved_model.load(session, ["serve"], str(path)).signature_def


@dataclasses.dataclass
class Exported:
    corpus: Corpus
    model: VocabularyClassifier
    layout: Layout
    path: Path
    traces: Counter[str]

    @functools.cached_property
    def transform(self) -> Any:
        """Graph of Transform, which takes half a second to load."""
        return self.corpus.transform.transform_features_layer()

    @functools.cached_property
    def served(self) -> Served:
        """Export in a graph session, which takes a second to load."""
        return load(self.path)

    def ask(self, signature: str, **inputs: Any) -> dict[str, np.ndarray]:
        """Call a signature in a graph session, as TensorFlow Serving does."""
        session, signatures = self.served
        definition = signatures[signature]
        feed = {definition.inputs[name].name: value for name, value in inputs.items()}
        return session.run({name: info.name for name, info in definition.outputs.items()}, feed)

    def probabilities(self, row: dict[str, Any], end: int) -> np.ndarray:
        """Return the probabilities of the model after `end` tokens, (classes,), with ids looked up in Python."""
        found = vocabularies(self.corpus.transform)
        inputs = {token.encode(): i for i, token in enumerate(found["inputs"].tokens)}
        tokens = [token for name in self.corpus.data.inputs for token in row[name]][:end]
        assert all(token in inputs for token in tokens[-4:]), "choose a row whose last words are known"
        ids = [inputs[token] for token in tokens[-4:]]
        parties = (self.corpus.folder / "graph/transform_fn/assets/category_party").read_text().split("\n")
        names = [line.split(" ", 1)[1].encode() for line in parties if line]
        year = self.transform({"year": tf.sparse.from_dense([[row["year"][0]]])})[key_of("year")]
        batch = {
            "input_ids": tf.constant([[self.layout.padding] * (4 - len(ids)) + ids]),
            key_of("year"): year,
            key_of("party"): tf.constant([names.index(row["party"][0]) if row["party"] else len(names)]),
        }
        return tf.nn.softmax(self.model(batch))[0].numpy()


def make(corpus: Corpus, folder: Path) -> Exported:
    counts = vocabularies(corpus.transform)
    layout = Layout.of(corpus.data, corpus.transform, 4, len(counts["inputs"]) + VOCABULARY.num_oov_buckets)
    model = build_model(SPEC, layout, counts["labels"].counts.tolist())
    rng = np.random.default_rng(0)
    # An untrained model gives all rows the same answer. Large random weights distinguish the rows.
    for weight in model.trainable_weights:
        weight.assign(rng.normal(scale=0.5, size=weight.shape))
    model.label.temperature.assign(1.4)
    model.encoder.name_ids(counts["inputs"].tokens)
    files = [str(file) for file in corpus.folder.glob("train*.gz")]
    model.encoder.adapt(lambda length: latest_ids(files, layout, length))
    traces: Counter[str] = Counter()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("examples", "columns", "evaluate"):
            patch.setattr(Servable, name, counted(getattr(Servable, name), traces))
        export(Servable(model, corpus.transform, corpus.data, layout, BANDS, SPEC.top_k), str(folder))
    return Exported(corpus, model, layout, folder, traces)


def counted(function: Callable[[Servable, Any], Any], calls: Counter[str]) -> Callable[[Servable, Any], Any]:
    def called(self: Servable, examples: Any) -> Any:
        calls[function.__name__] += 1
        return function(self, examples)

    return called


@pytest.fixture(scope="module")
def exported(sequence, tmp_path_factory) -> Exported:
    return make(sequence, tmp_path_factory.mktemp("exported"))


@pytest.fixture(scope="module")
def exported_labelled(labelled, tmp_path_factory) -> Exported:
    return make(labelled, tmp_path_factory.mktemp("exported"))


def known_row(exported: Exported) -> dict[str, Any]:
    """Return a row whose last words are all in the input vocabulary."""
    known = {token.encode() for token in vocabularies(exported.corpus.transform)["inputs"].tokens}
    names = exported.corpus.data.inputs
    return next(
        row
        for row in exported.corpus.rows
        if row["party"]
        and sum(len(row[n]) for n in names) > 5
        and set([t for n in names for t in row[n]][-4:]) <= known
    )


@pytest.mark.parametrize("shape", ["sequence", "labelled"])
def test_answers_are_those_of_the_model(shape, request):
    it: Exported = request.getfixturevalue("exported" if shape == "sequence" else "exported_labelled")
    row = known_row(it)
    answer = it.ask("serving_default", examples=[serialize(row)])
    expected = it.probabilities(row, 10_000)
    order = np.argsort(-expected, kind="stable")[:5]
    labels = vocabularies(it.corpus.transform)["labels"].tokens
    assert [label.decode() for label in answer["labels"][0]] == [labels[i] for i in order]
    np.testing.assert_allclose(answer["probabilities"][0], expected[order], rtol=1e-4)


def test_named_columns_answer_like_examples(exported):
    rows = [known_row(exported), {"words": [b"the", b"of"], "year": [], "party": []}]
    by_example = exported.ask("serving_default", examples=[serialize(row) for row in rows])
    width = max(len(row["words"]) for row in rows)
    by_name = exported.ask(
        "predict",
        words=[row["words"] + [b""] * (width - len(row["words"])) for row in rows],
        year=[rows[0]["year"][0], np.nan],
        party=[rows[0]["party"][0], b""],
    )
    np.testing.assert_array_equal(by_name["labels"], by_example["labels"])
    np.testing.assert_allclose(by_name["probabilities"], by_example["probabilities"], rtol=1e-5)


def test_a_row_without_its_label_can_be_asked_about(exported_labelled):
    row = known_row(exported_labelled)
    with_label = exported_labelled.ask("serving_default", examples=[serialize(row)])
    without = exported_labelled.ask("serving_default", examples=[serialize({**row, "next": []})])
    np.testing.assert_array_equal(with_label["labels"], without["labels"])


@pytest.mark.parametrize("exclude_seen", [False, True])
@pytest.mark.parametrize("shape", ["sequence", "labelled"])
def test_eval_sums_are_those_of_numpy(shape, exclude_seen, request):
    it: Exported = request.getfixturevalue("exported" if shape == "sequence" else "exported_labelled")
    found = vocabularies(it.corpus.transform)
    inputs = {token.encode() for token in found["inputs"].tokens}
    ids = {token.encode(): i for i, token in enumerate(found["labels"].tokens)}
    labels, nll, rank, confidence, correct = [], [], [], [], []
    if shape == "sequence":
        row = known_row(it)
        row = {**row, "words": [t for t in row["words"] if t in inputs] + [b"unheardof"]}
        ends = list(range(1, len(row["words"])))
        targets = [row["words"][end] for end in ends]
    else:
        row = known_row(it)
        ends, targets = [10_000], [row["next"][0]]
    for end, token in zip(ends, targets, strict=True):
        probabilities = it.probabilities(row, end)
        label = ids.get(token, -1)
        labels.append(label)
        confidence.append(probabilities.max())
        correct.append(probabilities.argmax() == label)
        nll.append(-np.log(probabilities[label]) if label >= 0 else 0.0)
        seen = {ids.get(token) for name in it.corpus.data.inputs for token in row[name][:end]} if exclude_seen else ()
        ranked = [i for i in np.argsort(-probabilities, kind="stable") if i not in seen]
        rank.append(1 + ranked.index(label) if label in ranked else len(ids) + 1)
    rows = np.zeros(len(labels), np.int64)
    target = label_target(it.corpus.data)
    values = {"label": np.array(labels), "nll": np.array(nll), "rank": np.array(rank)}
    values |= {"confidence": np.array(confidence, np.float32), "correct": np.array(correct)}
    expected = np.concatenate(
        [row_sums(target.sums, values, rows, 1, bands=BANDS)[0], row_sums(target.model_sums, values, rows, 1)[0]]
    )
    # A second row, so that a leak between the sums of rows would show.
    examples = [serialize(row), serialize(it.corpus.rows[1])]
    if exclude_seen:
        servable = Servable(it.model, it.corpus.transform, it.corpus.data, it.layout, BANDS, 5, exclude_seen=True)
        answer = {
            name: of.numpy()
            for name, of in tf.function(servable.evaluate, autograph=False)(tf.constant(examples)).items()
        }
    else:
        answer = it.ask("eval", examples=examples)
    assert set(answer) == set(target.sum_names)
    np.testing.assert_allclose([answer[name][0] for name in target.sum_names], expected, rtol=1e-3, atol=1e-4)


def test_every_signature_is_traced_once(exported):
    assert exported.traces == {"examples": 1, "columns": 1, "evaluate": 1}


def test_every_weight_is_written_once(exported):
    written = [shape for _, shape in tf.train.list_variables(str(exported.path / "variables" / "variables"))]
    # Without scalars, because the SavedModel has one of its own.
    weights = sorted(tuple(v.shape) for v in exported.model.weights if len(v.shape) > 0)
    assert sorted(tuple(shape) for shape in written if len(shape) > 0) == weights


def test_the_file_beside_the_model_says_how_to_make_tokens(exported):
    about = json.loads((exported.path / "assets.extra" / "bigvocab.json").read_text())
    assert about["data"] == exported.corpus.data.model_dump(mode="json")
    assert about["top_k"] == 5


@pytest.mark.parametrize("table", ["inputs", "labels", "category_party"])
def test_an_export_without_a_table_does_not_load(exported, table, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(exported.path, broken)
    assert (broken / "assets" / table).exists(), "the export holds its vocabularies as assets"
    (broken / "assets" / table).unlink()
    with pytest.raises(tf.errors.OpError, match=table):
        load(broken)
