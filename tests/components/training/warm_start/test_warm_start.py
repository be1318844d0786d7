"""Tests of a training that starts from an earlier model with other vocabularies."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.layers.optimization.optimizers import FusedAdam
from components.training.data.layout import Layout
from components.training.model import VocabularyClassifier, build_model
from components.training.spec import TrainerSpec
from components.training.warm_start.transfer import Earlier, beside, lines, start_from, write
from components.training.warm_start.vocabulary_rows import Rows
from tests.components.training.conftest import SEQUENCE, Corpus, make_corpus, sentences
from tests.drawing import drawn

TOKENS = st.lists(st.integers(0, 30), min_size=1, max_size=25, unique=True)


@drawn()
@given(TOKENS, TOKENS, st.integers(0, 3))
def test_rows_follow_their_tokens(old: list[int], new: list[int], behind: int) -> None:
    before, after = ([b"%d" % token for token in tokens] for tokens in (old, new))
    rows = Rows.between(before, len(old) + behind, after, len(new) + behind)
    table = np.arange((len(old) + behind) * 2, dtype=np.float32).reshape(-1, 2)
    moved = rows.of(table)
    rare = table[: len(old)][-max(1, len(old) // 10) :].mean(axis=0)
    for token, row in zip(new, moved, strict=False):
        np.testing.assert_allclose(row, table[old.index(token)] if token in old else rare)
    np.testing.assert_array_equal(moved[len(new) :], table[len(old) :])
    assert (rows.stayed, rows.came, rows.went) == (
        len(set(old) & set(new)),
        len(set(new) - set(old)),
        len(set(old) - set(new)),
    )


def test_other_numbers_of_buckets_start_from_their_mean_and_the_padding_stays() -> None:
    table = np.asarray([[0.0], [1.0], [10.0], [20.0], [7.0]])
    rows = Rows.between([b"a", b"b"], 5, [b"b"], 5)
    np.testing.assert_array_equal(rows.of(table), [[1.0], [15.0], [15.0], [15.0], [7.0]])


def test_without_any_token_before_all_start_from_what_stands_behind() -> None:
    rows = Rows.between([], 2, [b"a"], 3)
    np.testing.assert_array_equal(rows.of(np.asarray([[1.0], [7.0]])), [[7.0], [1.0], [7.0]])


def test_vectors_move_like_tables() -> None:
    rows = Rows.between([b"a", b"b", b"c"], 3, [b"c", b"new", b"a"], 3)
    np.testing.assert_array_equal(rows.of(np.asarray([1.0, 2.0, 3.0])), [3.0, 3.0, 1.0])


OLD = {"inputs": ["the", "of", "state"], "labels": ["of", "the", "union", "war"], "category_party": ["whig", "none"]}
NEW = {"inputs": ["of", "state", "peace"], "labels": ["the", "peace", "of"], "category_party": ["none", "new", "whig"]}


# The training data, by the first token. "state of" is the most frequent pair in the old data, "of peace" in the new.
PAIRS = {
    "the": [("state", "of"), ("state", "of"), ("state", "of"), ("of", "the"), ("of", "the"), ("?", "?")],
    "of": [("of", "peace"), ("of", "peace"), ("of", "peace"), ("state", "of"), ("state", "of"), ("?", "?")],
}


def ids_of(tokens: dict[str, list[str]], word: str) -> int:
    """Return the id of a word. The out-of-vocabulary bucket follows the tokens."""
    return [*tokens["inputs"], "?"].index(word)


def model_of(tokens: dict[str, list[str]], seed: int = 1, **changes: int) -> VocabularyClassifier:
    spec = TrainerSpec.model_validate(
        {
            "model": {"context": 2, "embedding": 3, "projection": 4, "hidden": 5, "frequent_ngrams": 20, **changes},
            "seed": seed,
        }
    )
    layout = Layout("sequence", 2, len(tokens["inputs"]) + 1, (), {"party": len(tokens["category_party"]) + 1})
    model = build_model(spec, layout, list(range(len(tokens["labels"]), 0, -1)))
    model.encoder.name_ids(tokens["inputs"])
    model.encoder.adapt(
        lambda length: [tf.constant([[ids_of(tokens, word) for word in pair]]) for pair in PAIRS[tokens["inputs"][0]]]
    )
    optimizer = FusedAdam(0.01)
    model.compile_with(optimizer)
    rng = np.random.default_rng(seed)
    for variable in (*model.trainable_variables, *optimizer.variables[2:]):
        variable.assign(rng.uniform(1, 2, variable.shape))
    optimizer.iterations.assign(100 * seed)
    return model


def by_path(model: VocabularyClassifier) -> dict[str, list[np.ndarray]]:
    """Return weight, momentum and velocity by path."""
    return {
        v.path: [v.numpy(), model.optimizer._momentums[i].numpy(), model.optimizer._velocities[i].numpy()]
        for i, v in enumerate(model.optimizer._trainable_variables)
    }


def vocabularies_of(model: VocabularyClassifier, tokens: dict[str, list[str]]) -> dict[str, list[str]]:
    return {**tokens, **model.encoder.own_vocabularies}


def path_of(model: VocabularyClassifier, variable: keras.Variable) -> str:
    return next(v.path for v in model.weights if v is variable)


@pytest.fixture
def earlier(tmp_path: Path) -> tuple[VocabularyClassifier, str]:
    old = model_of(OLD)
    write(str(tmp_path / "warm_start"), old, old.get_weights(), vocabularies_of(old, OLD))
    return old, str(tmp_path / "warm_start")


def test_tables_biases_and_moments_are_carried_over_by_token(earlier) -> None:
    old, folder = earlier
    new = model_of(NEW, seed=2)
    started = start_from(Earlier(folder), new, vocabularies_of(new, NEW))
    before, after = by_path(old), by_path(new)
    moves = {
        path_of(new, new.encoder.embedding.embeddings): [1, 2, 2, 3, 4],  # a new token starts from the rarest, "state"
        path_of(new, new.encoder.pooling.salience.embeddings): [1, 2, 2, 3, 4],
        path_of(new, new.label.head.table): [1, 3, 0],
        path_of(new, new.label.head.bias): [1, 3, 0],
        path_of(new, new.encoder.categories["party"].embeddings): [1, 1, 0, 2],
        # a new n-gram starts from the shared row
        path_of(new, new.encoder.ngrams.table.embeddings): [20, 0, *range(2, 21)],
    }
    for path, values in after.items():
        for value, was in zip(values, before[path], strict=True):
            np.testing.assert_array_equal(value, was[moves[path]] if path in moves else was, err_msg=path)
    assert int(new.optimizer.iterations) == 100
    assert started["optimizer"]
    taken = len(new.weights) - len(new.lookup_weights)
    assert started["taken"] == taken
    assert started["fresh"] == []
    assert started["vocabularies"] == {
        "inputs": {"stayed": 2, "came": 1, "went": 1},
        "ngrams": {"stayed": 2, "came": 1, "went": 1},
        "category_party": {"stayed": 2, "came": 1, "went": 0},
        "labels": {"stayed": 2, "came": 1, "went": 2},
    }
    said = lines({"model": "7", **started})
    assert said[0] == f"warm start from model 7: {taken} weights taken, the optimizer goes on"
    assert ["tokens", "kept", "new", "removed"] in [line.split() for line in said]
    assert said[-1].split() == ["labels", "2", "1", "2"]


def test_another_architecture_takes_what_fits_and_says_what_does_not(earlier) -> None:
    old, folder = earlier
    new = model_of(NEW, seed=2, hidden=6)
    before = by_path(new)
    started = start_from(Earlier(folder), new, vocabularies_of(new, NEW))
    after, was = by_path(new), by_path(old)
    np.testing.assert_array_equal(after["encoder/projection/kernel"][0], was["encoder/projection/kernel"][0])
    table = path_of(new, new.label.head.table)
    np.testing.assert_array_equal(after[table][0], before[table][0])
    assert f"{table}: 4 x 5 in the earlier model, 3 x 6 in this one" in started["fresh"]
    assert not started["optimizer"]
    assert int(new.optimizer.iterations) == 200
    for path, (_, momentum, velocity) in after.items():
        np.testing.assert_array_equal(momentum, before[path][1])
        np.testing.assert_array_equal(velocity, before[path][2])
    assert f"  not taken: {started['fresh'][0]}" in lines({"model": "7", **started})


def test_weights_that_had_other_numbers_of_steps_do_not_go_on_together(earlier) -> None:
    _, folder = earlier
    about = json.loads(Path(folder, "about.json").read_text())
    about["weights"]["encoder/projection/kernel"]["updates"] = 3  # as in a periodic update
    Path(folder, "about.json").write_text(json.dumps(about))
    new = model_of(NEW, seed=2)
    started = start_from(Earlier(folder), new, vocabularies_of(new, NEW))
    assert started["fresh"] == []
    assert not started["optimizer"]
    assert int(new.optimizer.iterations) == 200


def test_a_weight_that_is_new_is_said_to_be(earlier) -> None:
    _, folder = earlier
    about = json.loads(Path(folder, "about.json").read_text())
    del about["weights"]["encoder/projection/kernel"]
    Path(folder, "about.json").write_text(json.dumps(about))
    new = model_of(NEW, seed=2)
    started = start_from(Earlier(folder), new, vocabularies_of(new, NEW))
    assert started["fresh"] == ["encoder/projection/kernel: not in the earlier model"]


def test_another_format_is_refused(earlier) -> None:
    _, folder = earlier
    Path(folder, "about.json").write_text('{"format": 9}')
    with pytest.raises(ValueError, match=r"about.json: format 9, and this version reads 1"):
        Earlier(folder)


def train(run, out: Path, corpus: Corpus, base: str | None, **trainer: float) -> dict:
    """Train from a model that may have left its weights, and return `training.json`."""
    fn_args: SimpleNamespace = corpus.fn_args(out, trainer)
    fn_args.base_model = base
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("components.training.run.export", lambda *_: None)  # The weights are beside the export.
        run(fn_args)
    return json.loads((out / "run" / "training.json").read_text())


@pytest.fixture(scope="module")
def cold(sequence: Corpus, run, tmp_path_factory) -> tuple[dict, str]:
    """Return `training.json` of a training whose base model left nothing, and what the training said."""
    folder, said = tmp_path_factory.mktemp("cold"), io.StringIO()
    with contextlib.redirect_stderr(said):
        about = train(run, folder, sequence, str(folder / "5" / "Format-Serving"), epochs=0.5)
    return about, said.getvalue()


@pytest.mark.slow
def test_a_model_that_left_nothing_is_a_cold_start(cold) -> None:
    about, said = cold
    assert about["warm_start"] is None
    assert "no warm start from model 5" in said


@pytest.fixture(scope="module")
def fewer(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Return the older half of the sentences, in which words and their ranks differ."""
    rows = sentences()
    return make_corpus(SEQUENCE, rows[: len(rows) // 2], tmp_path_factory.mktemp("fewer"))


@pytest.mark.slow
def test_a_training_on_more_data_begins_better_than_a_cold_one(
    fewer, sequence: Corpus, cold, run, tmp_path: Path
) -> None:
    train(run, tmp_path / "first", fewer, None, epochs=4)
    base = str(tmp_path / "first" / "model")
    assert Path(beside(base)).is_dir()
    warm = train(run, tmp_path / "warm", sequence, base, epochs=0.5)
    started = warm["warm_start"]
    assert started
    assert started["optimizer"]
    assert started["vocabularies"]["inputs"]["came"] > 20
    assert started["vocabularies"]["inputs"]["stayed"] > 100
    assert warm["validations"][0]["nll"] < cold[0]["validations"][0]["nll"] - 0.1
