"""Tests of the vocabularies and moments of features of labels."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from components.labels.features import FittedFeatures, coverage
from components.labels.spec import LabelsSpec
from tests.drawing import drawn

SPEC = LabelsSpec.model_validate(
    {
        "file": "items.csv",
        "key": "item",
        "features": {
            "category": {"kind": "category", "top": 2},
            "price": {"kind": "number"},
            "title": {"kind": "text", "top": 3},
        },
    }
)
ITEMS = {
    "a": {"category": "Green tea", "price": "1", "title": "Green Tea, loose"},
    "b": {"category": "Green tea", "price": "3", "title": "Green tea tea"},
    "c": {"category": "mugs", "price": "", "title": ""},
    "d": {"category": "lids", "price": "5", "title": "A lid"},
    "new": {"category": "mugs", "price": "300", "title": "mate tea"},
}
LABELS = ["b", "a", "d", "c", "no line"]


def test_the_features_follow_the_labels_of_the_training():
    fitted = FittedFeatures.of(SPEC, ITEMS, LABELS)
    assert fitted.features["category"].entries == ["Green tea", "lids"], "of equal counts the first in order"
    assert fitted.features["title"].entries == ["green", "tea", ","]
    price = fitted.features["price"]
    assert (price.mean, price.deviation) == (3.0, np.std([1, 3, 5]))
    table = fitted.table(ITEMS, LABELS, [5, 4, 2, 1, 1])
    category, title = table.bags["category"], table.bags["title"]
    assert list(category.starts) == [0, 1, 2, 3, 3, 3]
    assert list(category.entries) == [0, 0, 1]
    assert list(title.starts) == [0, 3, 6, 6, 6, 6]
    assert list(title.entries) == [0, 1, 1, 0, 1, 2]
    assert price.edges == sorted(set(price.edges))
    ranges = table.bags["price"]
    assert list(np.diff(ranges.starts)) == [1, 1, 1, 0, 0], "a missing number has no range"
    assert list(ranges.entries[[1, 0, 2]]) == sorted(ranges.entries)
    assert ranges.entries.max() < ranges.size == len(fitted.vocabularies["price"])
    np.testing.assert_allclose(table.numbers[:, 0], np.array([0, -2, 2, 0, 0]) / np.std([1, 3, 5]), rtol=1e-6)
    assert coverage(ITEMS, LABELS) == {"with_features": 4, "without_features": 1, "other_lines": 1}


def test_a_label_that_training_does_not_know_changes_nothing():
    without = {label: cells for label, cells in ITEMS.items() if label != "new"}
    assert FittedFeatures.of(SPEC, ITEMS, LABELS) == FittedFeatures.of(SPEC, without, LABELS)


def test_new_labels_have_the_entries_of_the_training():
    fitted = FittedFeatures.model_validate_json(FittedFeatures.of(SPEC, ITEMS, LABELS).model_dump_json())
    table = fitted.table(ITEMS, ["new"], [0])
    assert list(np.diff(table.bags["category"].starts)) == [0], "'mugs' is not one of the two values of the training"
    assert list(table.bags["title"].entries) == [1]
    assert table.numbers[0, 0] == 10.0, "a number is bounded"
    assert list(table.bags["price"].entries) == [len(fitted.features["price"].edges)], "the last range has no bound"


@drawn()
@given(st.lists(st.floats(-1e6, 1e6).map(lambda number: round(number, 6)), min_size=1, max_size=20))
def test_numbers_are_standardized(numbers):
    items = {str(i): {"price": str(number)} for i, number in enumerate(numbers)}
    spec = LabelsSpec.model_validate({"file": "x", "key": "item", "features": {"price": {"kind": "number"}}})
    fitted = FittedFeatures.of(spec, items, list(items))
    found = fitted.table(items, list(items), [1] * len(items)).numbers[:, 0]
    assert np.isfinite(found).all()
    ranges = fitted.table(items, list(items), [1] * len(items)).bags["price"].entries
    order = np.argsort(numbers)
    assert (np.diff(ranges[order]) >= 0).all()
    np.testing.assert_allclose(found.mean(), 0.0, atol=1e-3)
    if np.std(numbers) > 1e-8 * np.abs(numbers).max():
        np.testing.assert_allclose(found.std(), 1.0, rtol=1e-2)
