"""Tests of the rules that choose the values of unset keys."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_metadata.proto.v0 import statistics_pb2

from components.choices import Choices, merged, read_choices, write_choices
from components.defaults.facts import Facts, facts_of
from components.defaults.followers import MEASURED, TOP, bigram_gain
from components.defaults.rules import choose, keys_read
from components.ingest.spec import DataSpec
from components.training.spec import TrainerSpec
from tests.drawing import drawn


def data_of(**keys: Any) -> DataSpec:
    return DataSpec.model_validate(
        {
            "shape": "sequence",
            "source": {"kind": "jsonl", "path": "rows.jsonl"},
            "inputs": ["items"],
            "tokenizer": "none",
            **keys,
        }
    )


SESSIONS = data_of()
ROWS = data_of(shape="labelled", inputs=["before", "last"], label="bought")
ITEMS = Facts(rows=1_000, tokens=20_000, distinct=5_000, top_share=0.03, shared_labels=1.0, bigram_gain=9.0)
HEAD = {"similarity": "cosine", "negatives": 2_048, "mixture": {"kind": "ngrams", "cache": 50}}
FORM = {"model": {"kind": "session", "tie": True}, "head": HEAD}
COUNTS = {"head": {"mixture": "ngrams"}}
UNPREDICTABLE = Facts(1_000, 20_000, 5_000, 0.03, 1.0, 1.1)


def chosen(
    facts: Facts, data: DataSpec = SESSIONS, trainer: dict[str, Any] | None = None, **vocabulary: Any
) -> Choices:
    keys = TrainerSpec.model_validate(trainer or {}).model_dump(mode="json", exclude_unset=True)
    return choose(facts, data, keys, vocabulary)


@pytest.mark.parametrize("data", [SESSIONS, ROWS])
def test_predictable_items_get_one_table_and_the_cosine(data: DataSpec) -> None:
    found = chosen(ITEMS, data)
    assert found.trainer == {**FORM, "learning_rate": 0.002}
    assert found.vocabulary == {"shared": True}
    assert "the 10 most frequent make up 3.0% of 20,000 tokens" in found.reason
    assert "predicts the next 9.0 times as well" in found.reason


@pytest.mark.parametrize(
    ("facts", "data", "form"),
    [
        (ITEMS, data_of(tokenizer="words"), COUNTS),
        (ITEMS, data_of(**{**ROWS.model_dump(), "tokenizer": "words"}), {}),
        (ITEMS, data_of(**{**ROWS.model_dump(), "label_kind": "number"}), {}),
        (Facts(1_000, 20_000, 5_000, 0.25, 1.0, 9.0), SESSIONS, COUNTS),  # a few tokens are everywhere, as in text
        (Facts(1_000, 20_000, 5_000, 0.03, 0.1, 9.0), ROWS, {}),  # labels of another kind than the inputs
        (UNPREDICTABLE, ROWS, {}),  # The item before says little.
        (Facts(0, 0, 0, 0.0, 1.0, 9.0), SESSIONS, COUNTS),
    ],
)
def test_others_keep_two_tables_and_the_dot_product(facts: Facts, data: DataSpec, form: dict[str, Any]) -> None:
    found = chosen(facts, data)
    assert (found.trainer, found.vocabulary) == (form, {})
    assert ("mixture" in found.reason) == bool(form)
    for trainer in ({"head": {"mixture": "none"}}, {"head": {"mixture": {"kind": "ngrams", "cache": 9}}}):
        assert chosen(facts, data, trainer).trainer == {}


def test_other_items_in_sequences_get_an_lstm_and_one_table() -> None:
    found = chosen(UNPREDICTABLE)
    mixture = {"kind": "ngrams", "cache": 50, "pairs": 10}
    assert found.trainer.pop("head") == {"negatives": 2_048, "mixture": mixture}
    assert found.vocabulary == {"shared": True}
    spec = TrainerSpec.model_validate(found.trainer)
    assert (spec.model.kind, spec.model.tie, spec.batch) == ("recurrent", True, 4_096)
    assert "an LSTM over whole rows, one table for inputs and classes" in found.reason
    # Whoever sets the batch has a model of its size in mind.
    assert "kind" not in chosen(UNPREDICTABLE, trainer={"batch": 64}).trainer["model"]
    assert chosen(UNPREDICTABLE, trainer={"model": {"kind": "session"}}).trainer == {
        "head": {"negatives": 2_048, "mixture": mixture}
    }


def test_a_loss_of_the_user_has_no_mixture() -> None:
    own = {"head": {"form": "my_losses:MyForm", "own_key": 3}}
    for data in (SESSIONS, data_of(tokenizer="words")):
        found = choose(ITEMS, data, own, {}).trainer
        assert "mixture" not in found.get("head", {})
        assert choose(ITEMS, data, keys_read(data, own, {})[0], {}).trainer == found
    assert choose(ITEMS, data_of(tokenizer="words"), {"head": {"form": "full"}}, {}).trainer == COUNTS


@pytest.mark.parametrize(
    ("trainer", "vocabulary", "left"),
    [
        ({"model": {"kind": "recurrent"}}, {}, {"head": FORM["head"], "learning_rate": 0.002}),
        ({"model": {"tie": False}}, {}, {**FORM, "model": {"kind": "session"}, "learning_rate": 0.002}),
        ({"model": {"hidden": 192}}, {}, {**FORM, "model": {"kind": "session"}, "learning_rate": 0.002}),
        ({}, {"shared": False}, {**FORM, "model": {"kind": "session"}, "learning_rate": 0.002}),
        # A key that only another encoder has.
        ({"model": {"ngrams": 2}}, {}, {**FORM, "model": {"tie": True}, "learning_rate": 0.002}),
        (
            {"head": {"similarity": "dot", "negatives": 9, "mixture": "none"}, "learning_rate": 0.1},
            {},
            {"model": FORM["model"]},
        ),
        ({"model": {"embedding": 50, "projection": 128}}, {}, {**FORM, "learning_rate": 0.002}),
    ],
)
def test_set_keys_stay_and_only_what_fits_them_is_chosen(
    trainer: dict[str, Any], vocabulary: dict[str, Any], left: dict[str, Any]
) -> None:
    found = chosen(ITEMS, SESSIONS, trainer, **vocabulary)
    assert found.trainer == left
    spec = TrainerSpec.model_validate(merged(found.trainer, trainer))
    for name, value in trainer.get("model", {}).items():
        assert getattr(spec.model, name) == value


@pytest.mark.parametrize(
    "trainer",
    [
        {"model": {"kind": "recurrent"}},
        {"model": {"tie": False}, "epochs": 3, "seed": 7},
        {"head": {"similarity": "cosine", "negatives": 9, "alpha": 0.5}, "learning_rate": 0.1, "batch": 64},
        {"head": {"alpha": 0.5}},
        {"model": {"hidden": 192, "dropout": 0.1}},
    ],
)
def test_the_keys_that_are_read_decide_the_choice(trainer: dict[str, Any]) -> None:
    read, shared = keys_read(SESSIONS, trainer, {"labels": 500})
    assert shared == {}
    assert not {"epochs", "seed"} & read.keys()
    assert choose(ITEMS, SESSIONS, read, {}) == choose(ITEMS, SESSIONS, trainer, {})
    assert keys_read(SESSIONS, {**trainer, "epochs": 9}, {"inputs": 3}) == (read, {})
    words = data_of(tokenizer="words")
    assert keys_read(words, trainer, {"shared": True}) == ({}, {})
    assert keys_read(words, {"head": {"mixture": "ngrams", "alpha": 0.5}}, {}) == ({"head": {"mixture": None}}, {})


def test_the_choice_comes_back_from_its_file(tmp_path: Path) -> None:
    found = chosen(ITEMS)
    write_choices(str(tmp_path), found)
    assert read_choices(str(tmp_path)) == found
    assert [file.name for file in tmp_path.iterdir()] == ["choices.json"]


def test_facts_come_from_the_statistics_of_all_spans() -> None:
    def span(rows: int, counts: dict[str, int]) -> statistics_pb2.DatasetFeatureStatistics:
        result = statistics_pb2.DatasetFeatureStatistics(num_examples=rows)
        feature = result.features.add()
        feature.path.step.append("items")
        feature.string_stats.common_stats.tot_num_values = 100
        feature.string_stats.unique = 40
        for value, count in counts.items():
            feature.string_stats.top_values.add(value=value, frequency=count)
        return result

    many = {f"item {n}": 5 for n in range(12)}
    facts = facts_of([span(10, many), span(20, {"item 0": 20, "new": 1})], SESSIONS)
    assert (facts.rows, facts.tokens, facts.distinct) == (30, 200, 40)
    assert facts.top_share == pytest.approx((25 + 9 * 5) / 200)
    assert facts.mean_length == pytest.approx(200 / 30)


TOKENS = st.sampled_from([f"t{n}" for n in range(30)])


@given(st.lists(st.lists(TOKENS, max_size=6), max_size=25), st.integers(1, 30), st.booleans())
@drawn(40)
def test_gain_is_that_of_a_count_by_hand(
    tmp_path_factory: pytest.TempPathFactory, sequences: list[list[str]], limit: int, labelled: bool
) -> None:
    file = tmp_path_factory.mktemp("rows") / "data.gz"
    with tf.io.TFRecordWriter(str(file), "GZIP") as writer:
        for tokens in sequences:
            example = tf.train.Example()
            if labelled and tokens:
                example.features.feature["bought"].bytes_list.value.append(tokens[-1].encode())
                example.features.feature["last"].bytes_list.value.extend(t.encode() for t in tokens[:-1])
            elif tokens:
                example.features.feature["items"].bytes_list.value.extend(t.encode() for t in tokens)
            writer.write(example.SerializeToString())
    pairs = [
        (row % MEASURED == MEASURED - 1, tokens[at - 1], tokens[at])
        for row, tokens in enumerate(sequences[:limit])
        for at in range(1, len(tokens))
        if not labelled or at == len(tokens) - 1
    ]
    popular = Counter(label for measured, _, label in pairs if not measured)
    followers: dict[str, Counter[str]] = defaultdict(Counter)
    for measured, before, label in pairs:
        if not measured:
            followers[before][label] += 1

    def hits(counts: Counter[str], label: str) -> float:
        """Return 1, 0, or NaN if ties decide about a place among the first."""
        if counts[label] == 0 or len(counts) <= TOP:
            return float(counts[label] > 0)
        return float("nan")

    of_popular = sum(hits(popular, label) for measured, _, label in pairs if measured)
    of_bigram = sum(hits(followers.get(before, popular), label) for measured, before, label in pairs if measured)
    if of_popular == of_popular and of_bigram == of_bigram:  # no NaN
        expected = (of_bigram + 1) / (of_popular + 1)
        assert bigram_gain([str(file)], ROWS if labelled else SESSIONS, limit) == pytest.approx(expected)


TAGS = data_of(shape="labelled", inputs=["text"], label="tags", label_kind="classes", tokenizer="words")


@pytest.mark.parametrize(
    ("rows", "batch"), [(50, 128), (12_799, 128), (21_259, 128), (25_600, 256), (60_000, 512), (102_399, 512)]
)
def test_few_rows_with_several_labels_get_a_small_batch(rows: int, batch: int) -> None:
    found = chosen(Facts(rows, 80 * rows, 10_000, 0.3, 0.0), TAGS)
    assert found == Choices({"batch": batch}, {}, f"batch {batch} for {rows:,} rows with several labels")


def test_many_rows_and_a_set_batch_leave_the_batch() -> None:
    few, many = (Facts(rows, 80 * rows, 10_000, 0.3, 0.0) for rows in (1_000, 102_400))
    assert chosen(many, TAGS) == chosen(few, TAGS, {"batch": 64}) == Choices({}, {}, "nothing to choose")
    assert keys_read(TAGS, {"batch": 64, "epochs": 3}, {"shared": True}) == ({"batch": 1}, {})
    number = data_of(shape="labelled", inputs=["text"], label="price", label_kind="number", tokenizer="words")
    assert chosen(few, number) == Choices({}, {}, "nothing to choose")
