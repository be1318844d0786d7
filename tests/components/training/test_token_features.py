"""Tests of token features between Transform and the exported model: a value stays with its token."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from components.infra_validation.requests import requests_of
from components.ingest.spec import DataSpec
from components.preprocessing.columns.numbers import read_numbers
from components.preprocessing.vocabulary import read_vocabulary, vocabularies
from components.training.data.layout import LABEL, Layout
from components.training.data.values import model_inputs
from components.training.data.windows import labelled_windows, last_windows, number_windows
from components.training.examples import examples_of
from components.training.export.saved_model import export
from components.training.export.servable import Servable
from components.training.model import build_model
from components.training.rows.cuts import NO_LABEL, Cuts
from components.training.spec import TrainerSpec
from tests.components.training.conftest import BANDS, SMALL, VOCABULARY, Corpus, make_corpus, sentences, serialize
from tests.drawing import drawn
from tests.once import Once

DATA = DataSpec.model_validate(
    {
        "shape": "events",
        "source": {"kind": "jsonl", "path": "log.jsonl"},
        "group_by": "user",
        "order_by": "time",
        "inputs": ["words"],
        "tokenizer": "none",
        "token_features": {
            "ending": {"kind": "category", "top": 5, "if_missing": "value"},
            "length": {"kind": "number"},
            "seconds": {"kind": "elapsed"},
        },
    }
)
ENDING, LENGTH, SECONDS = (f"column/{name}" for name in DATA.token_features)
PADDING = 1_000
MODELS: dict[str, dict[str, Any]] = {
    "windows": {"kind": "shared_projection", "context": 5, "embedding": 8, "projection": 8, "ngrams": 1},
    "rows": {"kind": "recurrent", "context": 9, "embedding": 6, "projection": 4, "units": 3},
}


def log() -> list[Any]:
    """Return sentences whose words have an ending, a length and a time since the word before."""
    rows = []
    for number, sentence in enumerate(sentences()[:120]):
        words = [word for word in sentence["words"] if isinstance(word, bytes)]
        rows.append(
            {
                "words": words,
                "ending": [b"" if word[-1:] in b"xyz" else word[-1:] for word in words],
                "length": [math.nan if len(word) == 2 else float(len(word)) for word in words],
                "seconds": [0.0, *[float(number + place) for place in range(1, len(words))]],
            }
        )
    return rows


@pytest.fixture(scope="module")
def corpus(once: Once) -> Corpus:
    numbers = ("length", "seconds")
    folder = once.folder("corpus-token-features", lambda folder: make_corpus(DATA, log(), folder, numbers))
    return Corpus(DATA, folder, log()[::8])


def made(kind: str, corpus: Corpus) -> tuple[Any, Servable, Layout]:
    """Return a model with large random weights, its servable and its layout."""
    spec = TrainerSpec.model_validate({**SMALL, "model": MODELS[kind], "head": {"negatives": 64, "mixture": None}})
    found = vocabularies(corpus.transform)
    ids = len(found["inputs"]) + VOCABULARY.num_oov_buckets
    layout = Layout.of(corpus.data, corpus.transform, spec.model.context, ids, spec.whole_rows("sequence"))
    assert layout.whole_rows == (kind == "rows")
    model = build_model(spec, layout, found["labels"].counts.tolist())
    rng = np.random.default_rng(0)
    for weight in model.trainable_weights:
        weight.assign(rng.normal(scale=0.3, size=weight.shape))
    return model, Servable(model, corpus.transform, corpus.data, layout, BANDS, 5), layout


@st.composite
def rows_of_ids(draw: Any) -> list[list[int]]:
    lengths = draw(st.lists(st.integers(0, 23), min_size=1, max_size=6))
    return [draw(st.lists(st.integers(0, 99), min_size=n, max_size=n)) for n in lengths]


def ragged(rows: list[list[Any]], dtype: Any = tf.int64) -> tf.RaggedTensor:
    return tf.ragged.constant(rows, dtype=dtype, ragged_rank=1, row_splits_dtype=tf.int64)


def layout_of(context: int, **changes: Any) -> Layout:
    tokens = {"token_numbers": ("half",), "token_categories": {"next": 102}}
    return Layout("sequence", context, PADDING, (), {}, **tokens, **changes)


def parsed(rows: list[list[int]]) -> dict[str, Any]:
    """Return features that follow from the id of their token."""
    return {
        "half": ragged([[token / 2 for token in row] for row in rows], tf.float32),
        "next": ragged([[token + 1 for token in row] for row in rows]),
    }


def assert_with_their_tokens(inputs: dict[str, tf.Tensor]) -> None:
    ids = inputs["input_ids"].numpy()
    assert inputs["half"].dtype == tf.float32
    assert inputs["next"].dtype == tf.int32
    np.testing.assert_array_equal(inputs["half"], np.where(ids == PADDING, 0, ids / 2))
    np.testing.assert_array_equal(inputs["next"], np.where(ids == PADDING, 101, ids + 1))


@drawn(15)
@given(rows_of_ids(), st.integers(1, 9), st.integers(1, 4))
def test_values_are_cut_with_their_tokens(rows: list[list[int]], context: int, first: int) -> None:
    features, ids = parsed(rows), ragged(rows)
    firsts = tf.fill([len(rows)], tf.constant(first, tf.int64))
    every = [
        labelled_windows(ids, ids, "sequence"),
        labelled_windows(ids, ids, "sequence", firsts),
        labelled_windows(ids, ragged([[1] for _ in rows]), "labelled"),
        number_windows(ids, tf.zeros(len(rows))),
        last_windows(ids),
    ]
    for windows in every:
        assert_with_their_tokens(model_inputs(windows, features, layout_of(context)))
    cuts = Cuts.of(every[0], features, layout_of(context, whole_rows=True))
    assert_with_their_tokens(cuts.inputs(features, layout_of(context, whole_rows=True)))


@drawn(10)
@given(rows_of_ids().filter(lambda rows: any(len(row) > 1 for row in rows)), st.integers(1, 9))
def test_a_label_does_not_see_its_own_value(rows: list[list[int]], context: int) -> None:
    # The value of the last token of a row is in no window: the token is a label alone.
    ids, features = ragged(rows), parsed(rows)
    marked = ragged([[0.0] * (len(row) - 1) + [-7.0] * (len(row) > 0) for row in rows], tf.float32)
    windows = labelled_windows(ids, ids, "sequence")
    inputs = model_inputs(windows, {**features, "half": marked}, layout_of(context))
    assert not np.any(inputs["half"] == -7.0)


@pytest.mark.slow
def test_transformed_values(corpus: Corpus) -> None:
    _, servable, layout = made("windows", corpus)
    known = read_vocabulary(str(corpus.transform.vocabulary_file_by_name("category_ending"))).tokens
    assert len(known) == 5
    moments = {number.name: number for number in read_numbers(corpus.transform)}
    train = [row for i, row in enumerate(log()) if i % 8]
    lengths = [value for row in train for value in row["length"] if not math.isnan(value)]
    logs = [math.log1p(value) for row in train for value in row["seconds"]]
    for name, values in (("length", lengths), ("seconds", logs)):
        assert moments[name].scaled
        assert moments[name].moments.count == len(values)
        assert moments[name].moments.mean == pytest.approx(np.mean(values), rel=1e-5)
    assert layout.token_numbers == (LENGTH, SECONDS)
    assert layout.token_categories == {ENDING: len(known) + 2}
    for row in corpus.rows[:20]:
        names = (*DATA.inputs, *DATA.token_features)
        found = servable._transformed(servable._parse(tf.constant([serialize(row)]), names))
        endings = [ending.decode() or "(missing)" for ending in row["ending"]]
        ids = [known.index(ending) if ending in known else len(known) for ending in endings]
        assert found[ENDING].to_list() == [ids]
        z = (np.array(row["length"]) - np.mean(lengths)) / np.std(lengths)
        np.testing.assert_allclose(found[LENGTH].to_list()[0], np.where(np.isnan(z), 0, z), rtol=1e-4, atol=1e-5)
        z = (np.log1p(row["seconds"]) - np.mean(logs)) / np.std(logs)
        np.testing.assert_allclose(found[SECONDS].to_list()[0], z, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", MODELS)
def test_training_reads_the_rows_of_transform(kind: str, corpus: Corpus) -> None:
    model, servable, layout = made(kind, corpus)
    files = {split: [str(file) for file in corpus.folder.glob(f"{split}*.gz")] for split in ("train", "eval")}
    examples = examples_of(files["train"], files["eval"], layout, seed=1, replicas=2)
    inputs, targets = next(iter(examples.training(64, max(1, examples.count // 64), skip=0)))
    shape = tuple(inputs["input_ids"].shape)
    for name in (ENDING, LENGTH, SECONDS):
        assert tuple(inputs[name].shape) == shape
    present = inputs["input_ids"].numpy() != layout.padding
    filled = np.ones_like(present) if kind == "windows" else (targets[LABEL].numpy() != NO_LABEL).any(1)[:, None]
    np.testing.assert_array_equal((inputs[ENDING].numpy() == layout.token_paddings[ENDING]) & filled, ~present & filled)
    # The sums of `eval` are those of the model on the batches of the validation.
    nll = sum(
        float(tf.reduce_sum(model.row_values(inputs, targets)[LABEL]["nll"]))
        for inputs, targets in examples.validation(64, 10_000)
    )
    served = servable.evaluate(tf.constant([serialize(row) for row in corpus.rows]))["nll"]
    assert float(tf.reduce_sum(served)) == pytest.approx(nll, rel=1e-4)


@pytest.fixture(scope="module")
def exported(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    export(made("windows", corpus)[1], str(folder))
    return folder


@pytest.mark.slow
def test_both_signatures_answer_with_and_without_the_values(exported: Path, corpus: Corpus) -> None:
    signatures = tf.saved_model.load(str(exported)).signatures
    rows = corpus.rows[:6]
    by_row = signatures["serving_default"](examples=tf.constant([serialize(row) for row in rows]))
    definition = SavedModel.FromString((exported / "saved_model.pb").read_bytes()).meta_graphs[0].signature_def
    assert set(definition["predict"].inputs) == {"words", *DATA.token_features}
    requests = requests_of(definition, [serialize(row) for row in rows], {"words", *DATA.token_features})
    (columns,) = [request for name, request in requests if name == "predict" and len(request["words"]) == 6]
    columns = {name: tf.constant(values.tolist(), tf.string if values.dtype == object else tf.float32)
               for name, values in columns.items()}  # fmt: skip
    by_column = signatures["predict"](**columns)
    np.testing.assert_array_equal(by_column["labels"], by_row["labels"])
    np.testing.assert_allclose(by_column["probabilities"], by_row["probabilities"], rtol=1e-4)

    # An empty text between tokens moves each value with its token.
    gap = {name: tf.concat([v[:, :1], tf.fill([6, 1], "" if v.dtype == tf.string else math.nan), v[:, 1:]], axis=1)
           for name, v in columns.items()}  # fmt: skip
    np.testing.assert_allclose(signatures["predict"](**gap)["probabilities"], by_row["probabilities"], rtol=1e-4)

    bare = [{"words": row["words"]} for row in rows]
    without = signatures["serving_default"](examples=tf.constant([serialize(row) for row in bare]))
    assert np.abs(without["probabilities"].numpy() - by_row["probabilities"].numpy()).max() > 1e-3
    empty = {name: values if name == "words" else values[:, :0] for name, values in columns.items()}
    np.testing.assert_allclose(signatures["predict"](**empty)["probabilities"], without["probabilities"], rtol=1e-4)


@pytest.mark.slow
def test_eval_does_not_see_the_value_of_the_label(corpus: Corpus) -> None:
    _, servable, _ = made("windows", corpus)
    row = next(row for row in corpus.rows if len(row["words"]) > 3)
    last = {"ending": [*row["ending"][:-1], b"?"], "length": [*row["length"][:-1], 99.0]}
    before = {**row, "length": [99.0, *row["length"][1:]]}
    sums = servable.evaluate(tf.constant([serialize(each) for each in (row, {**row, **last}, before)]))
    assert float(sums["nll"][0]) == pytest.approx(float(sums["nll"][1]), rel=1e-6)
    assert float(sums["nll"][0]) != pytest.approx(float(sums["nll"][2]), rel=1e-4)
