"""Tests of Transform's ids against values counted by hand."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from apache_beam.options.pipeline_options import PipelineOptions
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

import components.compat.beam_speed  # noqa: F401  as in the pipeline, for fewer seconds
from components.ingest.spec import DataSpec
from components.names import key_of
from components.preprocessing.columns.moments import Moments
from components.preprocessing.columns.numbers import describe, read_numbers
from components.preprocessing.preprocessing import INPUT_IDS, LABEL_IDS, LABEL_VALUE, preprocessing_fn
from components.preprocessing.spec import VocabularySpec
from components.preprocessing.vocabulary import read_vocabulary, vocabularies

pytestmark = pytest.mark.slow

BEAM = PipelineOptions(["--runner=FnApiRunner"])
STRING, FLOAT = tf.io.VarLenFeature(tf.string), tf.io.VarLenFeature(tf.float32)


@dataclass
class Transformed:
    rows: list[dict[str, Any]]
    output: tft.TFTransformOutput

    def file(self, name: str) -> list[str]:
        return Path(str(self.output.vocabulary_file_by_name(name))).read_text().splitlines()


def transform(
    rows: list[dict[str, Any]], columns: dict[str, Any], data: DataSpec, vocabulary: VocabularySpec, folder: Path
) -> Transformed:
    config = {"data": data.model_dump_json(), "vocabulary": vocabulary.model_dump_json()}
    numbered = [{**row, "row": [float(n)]} for n, row in enumerate(rows)]
    with beam.Pipeline(options=BEAM) as pipeline, tft_beam.Context(temp_dir=tempfile.mkdtemp(dir=folder)):
        raw = pipeline | beam.Create(numbered)
        metadata = dataset_metadata.DatasetMetadata(schema_utils.schema_from_feature_spec({**columns, "row": FLOAT}))
        both: Any = (raw, metadata) | tft_beam.AnalyzeAndTransformDataset(
            lambda inputs: {**preprocessing_fn(inputs, config), "row": inputs["row"]}
        )
        (transformed, _), function = both
        _ = transformed | beam.Map(_keep, str(folder / "rows"))
        _ = function | tft_beam.WriteTransformFn(str(folder / "graph"))
    out = [np.load(path, allow_pickle=True).item() for path in sorted((folder / "rows").glob("*.npy"))]
    return Transformed(out, tft.TFTransformOutput(str(folder / "graph")))


def _keep(row: dict[str, Any], folder: str) -> None:
    Path(folder).mkdir(exist_ok=True)
    np.save(f"{folder}/{int(row['row'][0]):04d}.npy", np.array(row, dtype=object), allow_pickle=True)


SEQUENCE = DataSpec.model_validate(
    {
        "shape": "sequence",
        "source": {"kind": "sotu"},
        "inputs": ["words"],
        "features": {"year": {"kind": "number"}, "party": {"kind": "category", "top": 2}},
    }
)
TEXTS = [
    "the state of the union",
    "the union of the states",
    "state of the art",
    "the New York|of|union",
]


@pytest.fixture(scope="module")
def sequences() -> Iterator[Transformed]:
    rows = [
        {"words": t.split("|") if "|" in t else t.split(), "year": year, "party": party}
        for t, year, party in zip(
            TEXTS, ([1.0], [3.0], [], [2.0]), (["a"], ["b"], ["a"], []), strict=True
        )
    ]  # fmt: skip
    rows.append({"words": ["c", "c"], "year": [2.0], "party": ["c"]})
    rows.append({"words": ["b", "b"], "year": [2.0], "party": ["b"]})
    with tempfile.TemporaryDirectory() as folder:
        yield transform(
            rows,
            {"words": STRING, "year": FLOAT, "party": STRING},
            SEQUENCE,
            VocabularySpec(inputs=2, labels=4, num_oov_buckets=3),
            Path(folder),
        )


def test_vocabulary_files_are_sorted_by_count_and_readable(sequences: Transformed) -> None:
    assert sequences.file("inputs")[0] == "5 the"
    counts = [int(line.split(" ")[0]) for line in sequences.file("labels")]
    assert counts == sorted(counts, reverse=True)
    assert len(sequences.file("inputs")) == 2
    assert len(sequences.file("labels")) == 4


def test_an_id_is_the_line_of_its_token(sequences: Transformed) -> None:
    known = {name: vocabulary.tokens for name, vocabulary in vocabularies(sequences.output).items()}
    for text, row in zip(TEXTS, sequences.rows, strict=False):
        tokens = text.split("|") if "|" in text else text.split()
        assert len(row[LABEL_IDS]) == len(row[INPUT_IDS]) == len(tokens)
        for token, label, id_ in zip(tokens, row[LABEL_IDS], row[INPUT_IDS], strict=True):
            assert label == (known["labels"].index(token) if token in known["labels"] else -1)
            if token in known["inputs"]:
                assert id_ == known["inputs"].index(token)
            else:
                assert 2 <= id_ < 2 + 3, "an out-of-vocabulary bucket"


def test_numbers_are_scaled_and_categories_numbered(sequences: Transformed) -> None:
    years = [row[key_of("year")] for row in sequences.rows]
    np.testing.assert_allclose(years, np.array([-1, 1, 0, 0, 0, 0]) / np.std([1, 3, 2, 2, 2]), atol=1e-6)
    parties = [line.split(" ")[1] for line in sequences.file("category_party")]
    assert sorted(parties) == ["a", "b"]
    ids = [int(row[key_of("party")]) for row in sequences.rows]
    assert ids == [parties.index("a"), parties.index("b"), parties.index("a"), 2, 2, parties.index("b")]


LABELLED = DataSpec.model_validate(
    {
        "shape": "labelled",
        "source": {"kind": "csv", "path": "rows.csv"},
        "inputs": ["first", "second"],
        "label": "city",
        "tokenizer": "none",
        "features": {"score": {"kind": "number"}},
    }
)


@pytest.mark.parametrize("shared", [False, pytest.param(True)])
def test_labelled_rows(tmp_path: Path, shared: bool) -> None:
    rows = [
        {"first": ["a"], "second": ["b", "a"], "city": ["New York"], "score": [0.0]},
        {"first": ["New York", "a"], "second": [], "city": ["New York"], "score": [3.0]},
        {"first": ["b"], "second": ["a", "b"], "city": ["Boston"], "score": [3.0]},
    ]
    columns = {
        "first": STRING,
        "second": STRING,
        "city": tf.io.FixedLenFeature([1], tf.string),
        "score": tf.io.FixedLenFeature([1], tf.float32),
    }
    result = transform(rows, columns, LABELLED, VocabularySpec(shared=shared, min_count=2), tmp_path)
    known = {name: vocabulary.tokens for name, vocabulary in vocabularies(result.output).items()}
    assert sorted(known["inputs"]) == (["New York", "a", "b"] if shared else ["a", "b"])
    assert sorted(known["labels"]) == (["New York", "a", "b"] if shared else ["New York"])
    for raw, row in zip(rows, result.rows, strict=True):
        tokens = raw["first"] + raw["second"]
        expected = [known["inputs"].index(t) if t in known["inputs"] else len(known["inputs"]) for t in tokens]
        assert list(row[INPUT_IDS]) == expected
        city = raw["city"][0]
        assert list(row[LABEL_IDS]) == [known["labels"].index(city) if city in known["labels"] else -1]
    # A 0 in a column without missing values is a value: mean 2, deviation sqrt(2).
    scores = [row[key_of("score")] for row in result.rows]
    np.testing.assert_allclose(scores, np.array([-2, 1, 1]) / np.sqrt(2), rtol=1e-5)


TARGETS = DataSpec.model_validate(
    {
        "shape": "labelled",
        "source": {"kind": "csv", "path": "rows.csv"},
        "inputs": ["items"],
        "label": "price",
        "label_kind": "number",
        "tokenizer": "none",
        "targets": {"city": {"kind": "category", "top": 2}, "seats": {"kind": "number"}},
    }
)


def test_targets_and_numbers_to_be_answered_are_left_as_they_are(tmp_path: Path) -> None:
    rows = [
        {"items": ["a", "b"], "price": [0.0], "city": ["New York"], "seats": [4.0]},
        {"items": ["b"], "price": [7.5], "city": [], "seats": []},
        {"items": ["c", "b"], "price": [-2.0], "city": ["Boston"], "seats": [0.0]},
        {"items": ["a"], "price": [1.0], "city": ["New York"], "seats": [2.0]},
        {"items": ["a"], "price": [1.0], "city": ["Boston"], "seats": [2.0]},
        {"items": ["a"], "price": [1.0], "city": ["Rare"], "seats": [2.0]},
    ]
    columns = {
        "items": STRING,
        "price": tf.io.FixedLenFeature([1], tf.float32),
        "city": STRING,
        "seats": FLOAT,
    }
    result = transform(rows, columns, TARGETS, VocabularySpec(), tmp_path)
    assert set(vocabularies(result.output)) == {"inputs"}
    cities = [line.split(" ")[1] for line in result.file("category_city")]
    assert sorted(cities) == ["Boston", r"New\sYork"]
    york, boston = (cities.index(city) for city in (r"New\sYork", "Boston"))
    assert [int(row[key_of("city")]) for row in result.rows] == [york, -1, boston, york, boston, -1]
    np.testing.assert_array_equal([row[LABEL_VALUE] for row in result.rows], [row["price"][0] for row in rows])
    np.testing.assert_array_equal([row[key_of("seats")] for row in result.rows], [4.0, np.nan, 0.0, 2.0, 2.0, 2.0])
    assert all(LABEL_IDS not in row for row in result.rows)


@pytest.mark.parametrize("text", ["3 the\nof\n", "x the\n", "3 \n", "3 New York\n", "3 New\\York\n"])
def test_a_damaged_vocabulary_file_names_the_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "labels").write_text(text)
    with pytest.raises(ValueError, match=rf"labels:{text.count(chr(10))}: expected 'count token'"):
        read_vocabulary(tmp_path / "labels")


def test_any_value_differs_from_any_other(tmp_path: Path) -> None:
    values = [
        "a b",
        "a__SPACE__b",
        "a\nb",
        "a\rb",
        "a\r",
        r"a\sb",
        "\\",
        " ",
        " a",
        "a ",
        "\t",
        "\0",
        "\u2028",
        "\ufeff",
        "0",
    ]
    rows = [{"first": [v], "second": [], "city": [v], "score": [], "shop": [v]} for v in values]
    columns = {"first": STRING, "second": STRING, "city": STRING, "score": FLOAT, "shop": STRING}
    features = {"score": {"kind": "number"}, "shop": {"kind": "category"}}
    data = DataSpec.model_validate({**LABELLED.model_dump(), "features": features})
    result = transform(rows, columns, data, VocabularySpec(), tmp_path)
    shops = read_vocabulary(str(result.output.vocabulary_file_by_name("category_shop"))).tokens
    found = vocabularies(result.output)
    for tokens in (shops, found["inputs"].tokens, found["labels"].tokens):
        assert sorted(tokens) == sorted(values)
    for value, row in zip(values, result.rows, strict=True):
        assert shops[int(row[key_of("shop")])] == value
        assert found["inputs"].tokens[int(row[INPUT_IDS][0])] == value
        assert found["labels"].tokens[int(row[LABEL_IDS][0])] == value


def test_a_missing_category_is_a_value_of_its_own_if_wanted(tmp_path: Path) -> None:
    shops = [["a"], ["a"], [], ["b"], [""], [], ["rare"]]
    rows = [{"items": ["i"], "price": [1.0], "shop": shop, "city": shop} for shop in shops]
    columns = {"items": STRING, "price": tf.io.FixedLenFeature([1], tf.float32), "shop": STRING, "city": STRING}
    features = {"shop": {"kind": "category", "top": 2, "if_missing": "value"}, "city": {"kind": "category"}}
    data = DataSpec.model_validate({**TARGETS.model_dump(), "targets": {}, "features": features})
    result = transform(rows, columns, data, VocabularySpec(), tmp_path)
    known = read_vocabulary(str(result.output.vocabulary_file_by_name("category_shop"))).tokens
    assert known == ["(missing)", "a"]
    assert [int(row[key_of("shop")]) for row in result.rows] == [1, 1, 0, 2, 0, 0, 2]
    assert len({int(row[key_of("city")]) for row, shop in zip(result.rows, shops, strict=True) if not any(shop)}) == 1
    # A server asks with an empty list, or with an empty text.
    layer = result.output.transform_features_layer()
    empty = tf.sparse.from_dense([[""]])
    for asked in (empty, tf.SparseTensor([[0, 0]], [""], [1, 1])):
        out = layer({"items": tf.sparse.from_dense([["i"]]), "shop": asked, "city": empty})
        assert out[key_of("shop")].numpy().tolist() == [0]


NUMBERS = {
    "fee": [19.99, 19.99, 19.99, 19.99],
    "wei": [1e18, 1e24, 2e24, math.nan],
    "offset": [1e9 - 64_000, 1e9 + 64_000, math.nan, math.nan],
    "atoms": [1e-30, 3e-30, math.nan, math.nan],
    "largest": [-3.4e38, 3.4e38, math.nan, -0.0],
    "alone": [7.0, math.nan, math.nan, math.nan],
    "never": [math.nan] * 4,
}
WITH_NUMBERS = DataSpec.model_validate(
    {
        "shape": "labelled",
        "source": {"kind": "csv", "path": "rows.csv"},
        "inputs": ["items"],
        "label": "price",
        "label_kind": "number",
        "tokenizer": "none",
        "features": {name: {"kind": "number"} for name in NUMBERS},
        "targets": {"seats": {"kind": "number"}},
    }
)


@pytest.fixture(scope="module")
def numbers() -> Iterator[Transformed]:
    rows = [
        {
            "items": ["a"],
            "price": [5.0],
            "seats": [1e21 * n],
            **{name: [] if math.isnan(values[n]) else [values[n]] for name, values in NUMBERS.items()},
        }
        for n in range(4)
    ]
    columns = {"items": STRING, "price": FLOAT, "seats": FLOAT, **dict.fromkeys(NUMBERS, FLOAT)}
    with tempfile.TemporaryDirectory() as folder:
        yield transform(rows, columns, WITH_NUMBERS, VocabularySpec(), Path(folder))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fee", [0, 0, 0, 0]),
        # mean 1e24, deviation sqrt(2 / 3) 1e24
        ("wei", [-math.sqrt(1.5), 0, math.sqrt(1.5), 0]),
        ("offset", [-1, 1, 0, 0]),
        ("atoms", [-1, 1, 0, 0]),
        ("largest", [-math.sqrt(1.5), math.sqrt(1.5), 0, 0]),
        ("alone", [0, 0, 0, 0]),
        ("never", [0, 0, 0, 0]),
    ],
)
def test_z_scores_of_numbers_of_any_size(name: str, expected: list[float], numbers: Transformed) -> None:
    np.testing.assert_allclose([row[key_of(name)] for row in numbers.rows], expected, rtol=1e-5, atol=1e-5)


def test_asking_gives_the_z_scores_of_training_and_never_nan(numbers: Transformed) -> None:
    layer = numbers.output.transform_features_layer()

    def asked(values: dict[str, list[float]]) -> dict[str, list[float]]:
        rows = len(next(iter(values.values())))
        raw = {name: tf.sparse.from_dense(tf.ones([rows, 1])) for name in values}
        raw = {name: column.with_values(tf.constant(values[name])) for name, column in raw.items()}
        out = layer({**raw, "items": tf.sparse.from_dense([["a"]] * rows)})
        return {name: out[key_of(name)].numpy().tolist() for name in values}

    trained = {name: [float(row[key_of(name)]) for row in numbers.rows] for name in NUMBERS}
    assert asked(NUMBERS) == trained
    odd = [19.98, 1e30, math.inf, -math.inf, math.nan, 0.0]
    found = asked(dict.fromkeys(NUMBERS, odd))
    assert found["fee"] == found["alone"] == found["never"] == [0.0] * 6
    assert found["atoms"] == [10.0, 10.0, 10.0, -10.0, 0.0, pytest.approx(-2.0)]
    assert found["wei"][1:5] == [10.0, 10.0, -10.0, 0.0]


def test_the_moments_of_all_numbers_are_kept(numbers: Transformed) -> None:
    kept = read_numbers(numbers.output)
    assert {number.name for number in kept if number.scaled} == {*NUMBERS}
    found = {number.name: number.moments for number in kept}
    assert [*found] == sorted([*NUMBERS, "price", "seats"])
    assert found["price"] == Moments(4.0, 5.0, 0.0, 5.0, 5.0)
    assert found["seats"].variance == pytest.approx(1.25e42)
    assert found["never"] == Moments()
    assert found["largest"].greatest == pytest.approx(3.4e38)
    kind_of = {sentence.split()[1]: sentence.split(":")[0] for sentence in describe(kept)}
    constant = dict.fromkeys(["alone", "fee", "price"], "constant")
    assert kind_of == constant | dict.fromkeys(["atoms", "largest", "seats", "wei"], "extreme")
