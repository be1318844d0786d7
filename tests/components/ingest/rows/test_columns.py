from __future__ import annotations

import math
from typing import Any

import pytest

from components.ingest.errors import RowError, ShortRow
from components.ingest.rows.columns import RowReader, row_hash, row_to_columns
from components.ingest.spec import DataSpec, FeatureSpec, SourceSpec

CSV = SourceSpec(kind="csv", path="rows.csv")
SEQUENCE = DataSpec(shape="sequence", source=CSV, inputs=["words"], features={"year": FeatureSpec(kind="number")})
LABELLED = DataSpec(
    shape="labelled",
    source=CSV,
    inputs=["before", "after"],
    label="word",
    tokenizer="none",
    features={"year": FeatureSpec(kind="number"), "party": FeatureSpec(kind="category")},
    slices=["decade", "party"],
)
ROW = {"before": ["of", "the"], "after": "states", "word": "United", "year": 1946, "party": "Whig", "decade": "1940s"}


def test_sequence_row() -> None:
    columns = RowReader(SEQUENCE)({"words": "The state of", "year": "1790", "other": 1})
    assert columns == {"words": ["the", "state", "of"], "year": [1790.0]}


def test_labelled_row() -> None:
    assert RowReader(LABELLED)(ROW) == {
        "before": ["of", "the"],
        "after": ["states"],
        "word": ["United"],
        "year": [1946.0],
        "party": ["Whig"],
        "decade": ["1940s"],
    }


NUMBERS = LABELLED.model_copy(
    update={
        "label": "price",
        "label_kind": "number",
        "targets": {"seats": FeatureSpec(kind="number"), "shop": FeatureSpec(kind="category")},
        "slices": ["shop", "decade"],
    }
)
PRICED = {**ROW, "price": "12.5", "seats": 4, "shop": "Boston"}


def test_a_number_as_the_label_and_further_targets() -> None:
    found = RowReader(NUMBERS)(PRICED)
    assert (found["price"], found["seats"], found["shop"]) == ([12.5], [4.0], ["Boston"])
    assert list(found).count("shop") == 1
    missing = RowReader(NUMBERS)({**PRICED, "seats": None, "shop": ""})
    assert (missing["seats"], missing["shop"]) == ([], [])


def test_a_row_to_predict_from_is_not_asked_for_what_it_is_asked_about() -> None:
    row = {name: value for name, value in PRICED.items() if name not in ("price", "seats", "shop")}
    assert set(row_to_columns(row, NUMBERS)) == {"before", "after", "year", "party", "decade"}
    assert set(row_to_columns(PRICED, NUMBERS)) == {"before", "after", "year", "party", "decade"}


@pytest.mark.parametrize(("price", "fault"), [("dear", "price: not a number"), (None, "price: no label")])
def test_a_label_that_is_no_number_is_a_bad_row(price: Any, fault: str) -> None:
    with pytest.raises(RowError) as error:
        RowReader(NUMBERS)({**PRICED, "price": price})
    assert error.value.kind == fault


@pytest.mark.parametrize("missing", [None, "", math.nan])
def test_a_missing_number_is_no_value(missing: Any) -> None:
    assert RowReader(LABELLED)({**ROW, "year": missing})["year"] == []


def test_a_missing_category_is_no_value() -> None:
    row = {k: v for k, v in ROW.items() if k != "decade"}
    assert RowReader(LABELLED)({**row, "party": None}) == {**RowReader(LABELLED)(ROW), "party": [], "decade": []}


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"year": "nineteen"}, "year: not a number"),
        ({"year": "1_946"}, "year: not a number"),
        ({"year": "inf"}, "year: not a number"),
        ({"year": 1e39}, "year: not a number"),
        ({"year": [1, 2]}, "year: not a number"),
        ({"word": ""}, "word: no label"),
        ({"word": None}, "word: no label"),
        ({"word": ["a", "b"]}, "word: several labels"),
        ({"word": {"a": 1}}, "word: wrong type"),
        ({"party": {"name": "Whig"}}, "party: wrong type"),
        ({"party": ["Whig", "Federalist"]}, "party: wrong type"),
        ({"before": ["of", None]}, "before: empty token"),
        ({"before": ["of", ""]}, "before: empty token"),
    ],
)
def test_a_bad_value_is_named_with_its_column(change: dict[str, Any], kind: str) -> None:
    with pytest.raises(RowError) as caught:
        RowReader(LABELLED)({**ROW, **change})
    assert caught.value.kind == kind


def test_a_row_with_several_labels_needs_the_kind_for_them() -> None:
    with pytest.raises(RowError) as caught:
        RowReader(LABELLED)({**ROW, "word": ["a", "b"]})
    assert caught.value.reason == "column 'word' holds 2 labels: set data.label_kind: classes"
    assert RowReader(LABELLED)({**ROW, "word": ["a"]})["word"] == ["a"]


TAGGED = LABELLED.model_copy(update={"label_kind": "classes", "label_separator": "|", "missing": ["NA"]})


@pytest.mark.parametrize(
    ("value", "labels"),
    [
        (["b", "a", "b"], ["b", "a"]),
        ([3, 3.0, None, "", "NA"], ["3"]),
        ('["a", "b|c"]', ["a", "b|c"]),
        ("['a', 2]", ["a", "2"]),
        ("b| a |b|", ["b", "a"]),
        ("a", ["a"]),
        (7, ["7"]),
        ("[a]", ["[a]"]),
    ],
)
def test_a_row_has_the_distinct_labels_of_a_list_or_a_cell(value: Any, labels: list[str]) -> None:
    reader = RowReader(TAGGED)
    assert reader({**ROW, "word": value})["word"] == labels


@pytest.mark.parametrize("value", [[], "", None, "NA", [None, ""], "[]", " | "])
def test_a_row_without_any_label_is_left_out(value: Any) -> None:
    reader = RowReader(TAGGED)
    with pytest.raises(ShortRow):
        reader({**ROW, "word": value})


def test_a_list_in_the_list_of_labels_is_refused() -> None:
    with pytest.raises(RowError, match="word: wrong type"):
        RowReader(TAGGED)({**ROW, "word": ["a", ["b", "c"]]})


def test_values_keep_their_line_breaks() -> None:
    columns = RowReader(LABELLED)({**ROW, "word": "two\nlines", "party": "a\r"})
    assert (columns["word"], columns["party"]) == (["two\nlines"], ["a\r"])


def test_a_missing_column_names_the_nearest() -> None:
    with pytest.raises(RowError, match="no column 'words'; did you mean 'word'"):
        RowReader(SEQUENCE)({"word": "the state", "year": 1})


def test_a_list_needs_tokenizer_none() -> None:
    with pytest.raises(RowError, match="tokenizer 'none'"):
        RowReader(SEQUENCE)({"words": ["the", "state"]})


def test_short_rows() -> None:
    with pytest.raises(ShortRow):
        RowReader(SEQUENCE)({"words": "the"})
    with pytest.raises(ShortRow):
        RowReader(LABELLED)({**ROW, "before": [], "after": None})
    assert RowReader(LABELLED)({**ROW, "before": []})["before"] == []


def test_rows_to_predict_from_need_no_label_and_one_token() -> None:
    assert row_to_columns({"words": "the"}, SEQUENCE) == {"words": ["the"], "year": []}
    assert "word" not in row_to_columns({"before": "of", "after": None}, LABELLED)
    with pytest.raises(ShortRow):
        row_to_columns({"words": " "}, SEQUENCE)


def hash_of(data: DataSpec, **row: Any) -> bytes:
    return row_hash(RowReader(data)(row), data, row)


def test_the_split_of_a_labelled_row_follows_from_all_its_columns() -> None:
    first = hash_of(LABELLED, **ROW)
    assert hash_of(LABELLED, **ROW, unknown="column") == first
    assert hash_of(LABELLED, **{**ROW, "year": 1947}) != first
    assert hash_of(LABELLED, **{**ROW, "word": "united"}) != first
    assert hash_of(LABELLED, **{**ROW, "after": "state"}) != first
    # The same tokens in other columns are a different input.
    assert hash_of(LABELLED, **{**ROW, "before": "of", "after": ["the", "states"]}) != first


def test_the_split_of_a_sequence_follows_from_its_tokens_alone() -> None:
    first = hash_of(SEQUENCE, words="the state of the union", year=1946)
    assert hash_of(SEQUENCE, words="The state of the Union", year=1947) == first
    assert hash_of(SEQUENCE, words="the state of the nation", year=1946) != first


def test_columns_may_be_named_that_decide_the_split() -> None:
    by_user = LABELLED.model_copy(update={"split_by": ["user"]})
    first = hash_of(by_user, **ROW, user=17)
    assert hash_of(by_user, **{**ROW, "word": "united"}, user=17) == first
    assert hash_of(by_user, **ROW, user=18) != first
    with pytest.raises(RowError, match="'user', which decides"):
        hash_of(by_user, **ROW)


def test_hash_is_the_same_on_every_machine() -> None:
    assert hash_of(SEQUENCE, words="the state of the union").hex() == "ad61996e2133bfd1619b9eebb7c6a73e"
