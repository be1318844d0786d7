"""Tests that TensorFlow's and NumPy's implementations of every sum agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.layers.losses.labels import PADDING
from components.metrics.bands import BandSpec
from components.metrics.definitions import CLASS_NEEDS, MODEL_NEEDS, NUMBER_NEEDS, SEVERAL_NEEDS, Kind
from components.metrics.reliability import EDGES
from components.metrics.rows import by_row, label_values, row_sums
from components.metrics.sums import sums_of
from components.metrics.table import METRICS, objective, of_kind, placed
from components.metrics.targets import Target
from tests.drawing import drawn

BANDS = BandSpec(head=2, torso=5)
ROWS = 3
Label = tuple[int, float, int, int, bool]
LABELS = st.lists(
    st.tuples(st.integers(-1, 8), st.floats(0, 20), st.integers(0, 60), st.integers(0, ROWS - 1), st.booleans())
)
NUMBERS = st.lists(
    st.tuples(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9), st.integers(0, ROWS - 1), st.booleans()), max_size=20
)


def assert_the_same(target: Target, tensors: dict[str, tf.Tensor], rows: np.ndarray, expected: np.ndarray) -> None:
    found = by_row(tensors, tf.constant(rows), ROWS)
    assert tuple(found) == target.stored_names
    assert_each_the_same(found, expected)


def assert_each_the_same(found: dict[str, tf.Tensor], expected: np.ndarray) -> None:
    for place, (name, values) in enumerate(found.items()):
        np.testing.assert_allclose(values.numpy(), expected[:, place], rtol=1e-4, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("kind", ["label", "class"])
@given(labels=LABELS)
@drawn()
def test_sums_of_classes_and_of_their_bands(kind: Kind, labels: list[Label]) -> None:
    target, bands = Target("", kind, ()), BANDS if kind == "label" else None
    ids, nll, rank, rows, given_ = (
        np.array([label[i] for label in labels], dtype)
        for i, dtype in enumerate((np.int32, np.float32, np.int32, np.int64, bool))
    )
    rank = np.maximum(rank, ids >= 0)  # Only an unknown label may have rank 0.
    # The label always has a value. A further target may be missing, and is then not a known class.
    given_ = np.ones_like(given_) if kind == "label" else given_ | (ids >= 0)
    values = {"label": ids, "nll": nll, "rank": rank}
    tensors = {name: tf.constant(value) for name, value in values.items()}
    found = label_values(target.sums, tensors, bands=bands, given=None if kind == "label" else tf.constant(given_))
    expected = row_sums(target.sums, {name: v[given_] for name, v in values.items()}, rows[given_], ROWS, bands=bands)
    assert_the_same(target, found, rows, expected)


@given(
    labels=st.lists(
        st.tuples(
            st.integers(-1, 8),
            st.floats(0, 20, width=32),
            st.integers(1, 60),
            st.booleans(),
            st.floats(1, 50, width=32),
        )
    ),
    sizes=st.lists(st.integers(0, 15), min_size=ROWS, max_size=ROWS),
)
@drawn()
def test_sums_of_several_labels_and_of_their_bands(labels: list[Any], sizes: list[int]) -> None:
    target = Target("", "several", ())
    rows = np.repeat(np.arange(ROWS), sizes)[: len(labels)]
    ids, nll, rank, first, inverse = (
        np.array([label[i] for label in labels[: len(rows)]], dtype)
        for i, dtype in enumerate((np.int32, np.float32, np.int32, bool, np.float32))
    )
    size, known_size = np.bincount(rows, minlength=ROWS), np.bincount(rows[ids >= 0], minlength=ROWS)
    place = np.arange(len(rows)) - (np.cumsum(size) - size)[rows]
    values = {
        "label": ids,
        "nll": nll,
        "rank": rank * (ids >= 0),
        "first": first,
        "inverse": inverse,
        "size": size[rows].astype(np.float32),
        "known_size": known_size[rows].astype(np.float32),
        "ideal": 1 + place.astype(np.int32),
    }
    tensors = {}
    for name, value in values.items():
        padded = np.full((ROWS, 16), PADDING if name == "label" else 0, value.dtype)
        padded[rows, place] = value
        tensors[name] = tf.constant(padded)
    found = label_values(target.sums, tensors, bands=BANDS)
    assert tuple(found) == target.stored_names
    exact = {name: value.astype(np.float64) if value.dtype.kind == "f" else value for name, value in values.items()}
    assert_each_the_same(found, row_sums(target.sums, exact, rows, ROWS, bands=BANDS))


@given(
    predictions=st.lists(
        st.tuples(st.floats(0, 1, width=32) | st.sampled_from(EDGES), st.booleans(), st.integers(0, ROWS - 1))
    )
)
@drawn(30)
def test_sums_of_the_model_alone(predictions: list[tuple[float, bool, int]]) -> None:
    target = Target("", "label", ())
    confidence, correct, rows = (
        np.array([prediction[i] for prediction in predictions], dtype)
        for i, dtype in enumerate((np.float32, bool, np.int64))
    )
    values = {"label": np.zeros(len(rows), np.int64), "confidence": confidence, "correct": correct}
    found = by_row(
        label_values(target.model_sums, {name: tf.constant(value) for name, value in values.items()}),
        tf.constant(rows),
        ROWS,
    )
    assert [*target.stored_names, *found] == [*target.sum_names]
    assert_each_the_same(found, row_sums(target.model_sums, values, rows, ROWS))


@given(numbers=NUMBERS, mean=st.floats(-1e9, 1e9))
@drawn()
def test_sums_of_numbers(numbers: list[tuple[float, float, int, bool]], mean: float) -> None:
    target = Target("", "number", ())
    answers, wanted, rows, there = (
        np.array([number[i] for number in numbers], dtype)
        for i, dtype in enumerate((np.float64, np.float64, np.int64, bool))
    )
    wanted_or_nan = tf.constant(np.where(there, wanted, np.nan))
    found = label_values(
        target.sums, {"answer": tf.constant(answers), "number": wanted_or_nan, "mean": tf.constant(mean, tf.float64)}
    )
    values: Any = {"answer": answers[there], "number": wanted[there], "mean": mean}
    assert_the_same(target, found, rows, row_sums(target.sums, values, rows[there], ROWS))


def test_the_sums_of_a_row_count_for_each_of_its_labels() -> None:
    target = Target("", "class", ())
    values = {"label": np.array([0, -1]), "nll": np.array([2.0, 9.0]), "rank": np.array([1, 0])}
    found = row_sums(target.sums, values, np.array([0, 2]), ROWS, weights=np.array([3.0, 7.0, 2.0]))
    assert dict(zip(target.sum_names, found.T.tolist(), strict=True)) == {
        "count": [3, 0, 2],
        "known": [3, 0, 0],
        "nll": [6, 0, 0],
        "hit_1": [3, 0, 0],
    }


def test_the_table_is_made_of_sums_that_are_there() -> None:
    of_classes = (*CLASS_NEEDS, *MODEL_NEEDS)
    several: tuple[list[Kind], tuple[str, ...]] = (["several"], (*SEVERAL_NEEDS, *MODEL_NEEDS))
    for kinds, needs in ((["label", "class"], of_classes), several, (["number"], NUMBER_NEEDS)):
        kind, table = kinds[0], sums_of(kinds[0])
        used = {of for each in kinds for metric in of_kind(each) for of in metric.sums}
        assert used == {of.name for of in table}
        assert {need for of in table for need in of.needs} <= set(needs)
        assert all(of.of_numbers == (kind == "number") for of in table)


@pytest.mark.parametrize("kind", ["label", "several", "class", "number"])
def test_every_place_has_metrics_in_one_order(kind: Kind) -> None:
    assert sum(metric.objective is not None for metric in of_kind(kind)) == 1
    assert objective(kind) in placed(of_kind(kind), "validation")
    for place in ("column", "brief", "terminal", "validation"):
        places = [getattr(metric.places, place) for metric in placed(of_kind(kind), place)]
        assert places, place
        assert len(places) == len(set(places)), place
    assert {m.name for m in placed(of_kind(kind), "history")} <= {m.name for m in placed(of_kind(kind), "validation")}
    assert len({metric.name for metric in METRICS}) == len(METRICS)
