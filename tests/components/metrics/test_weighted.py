"""Tests of metrics by weight: those of labels that are repeated as often as their weight says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.evaluation.metrics import model_metrics
from components.layers.losses.labels import PADDING
from components.metrics.bands import BandSpec
from components.metrics.definitions import WEIGHTED, Kind
from components.metrics.rows import by_row, label_values, row_sums
from components.metrics.targets import Target
from tests.drawing import drawn

BANDS = BandSpec(head=2, torso=5)
ROWS = 3


def raw_values(kind: Kind, rng: np.random.Generator, n: int) -> dict[str, Any]:
    """Return raw values of n labels."""
    if kind == "number":
        return {"answer": rng.normal(size=n), "number": rng.normal(size=n), "mean": np.float64(0.25)}
    label = rng.integers(-1, 8, n).astype(np.int32)
    values = {"label": label, "nll": rng.exponential(size=n), "rank": rng.integers(1, 30, n).astype(np.int32)}
    if kind == "label":
        values |= {"confidence": rng.random(n).astype(np.float32), "correct": rng.random(n) < 0.5}
    return values


def total(target: Target, values: dict[str, Any]) -> np.ndarray:
    tensors = {name: tf.constant(value) for name, value in values.items()}
    bands = BANDS if len(target.bands) > 1 else None
    found = label_values(target.sums, tensors, bands=bands)
    assert tuple(map(target.name, found)) == target.stored_names
    if target.model_sums:
        found |= label_values(target.model_sums, tensors)
    assert tuple(map(target.name, found)) == target.sum_names
    return np.array([float(tf.reduce_sum(value)) for value in found.values()])


@pytest.mark.parametrize("kind", ["label", "class", "number"])
@given(seed=st.integers(0, 10**6), n=st.integers(0, 12))
@drawn(6)
def test_a_weight_of_n_counts_like_n_labels(kind: Kind, seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    values, weights = raw_values(kind, rng, n), rng.integers(0, 4, n)
    plain, with_weights = Target("", kind, ()), Target("", kind, (), weight="w")
    found = total(with_weights, {**values, "weight": weights.astype(np.float32)})
    repeated = {name: value if name == "mean" else np.repeat(value, weights) for name, value in values.items()}
    expected = plain.measured(total(plain, repeated))
    assert with_weights.measured(found, WEIGHTED) == pytest.approx(expected, rel=1e-4, abs=1e-6, nan_ok=True)
    unweighted = plain.measured(total(plain, values))
    assert with_weights.measured(found) == pytest.approx(unweighted, rel=1e-6, nan_ok=True)
    named = model_metrics((with_weights,), (found[np.newaxis],))
    assert named["count_weighted"] == pytest.approx(weights.sum())


@pytest.mark.parametrize("kind", ["label", "number"])
@given(seed=st.integers(0, 10**6), n=st.integers(0, 12))
@drawn(6)
def test_the_sums_of_a_baseline_are_those_of_a_model(kind: Kind, seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    target, rows = Target("", kind, (), weight="w"), rng.integers(0, ROWS, n)
    values = {**raw_values(kind, rng, n), "weight": rng.integers(0, 4, n).astype(np.float32)}
    bands = BANDS if kind == "label" else None
    tensors = {name: tf.constant(value) for name, value in values.items()}
    model = by_row(label_values(target.sums, tensors, bands=bands), tf.constant(rows), ROWS)
    found = row_sums(target.sums, values, rows, ROWS, bands=bands)
    assert found.shape == (ROWS, len(target.stored_names))
    for place, value in enumerate(model.values()):
        np.testing.assert_allclose(value, found[:, place], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(target.restored(target.stored(np.abs(found))), np.abs(found), rtol=1e-6)


def test_a_row_with_several_labels_counts_by_the_weight_of_the_row() -> None:
    target = Target("", "several", (), weight="w")
    label = tf.constant([[0, 3], [5, PADDING], [1, PADDING]])
    values = {
        "label": label,
        "rank": tf.constant([[1, 40], [2, 0], [1, 0]]),
        "nll": tf.constant([[0.5, 1.0], [0.25, 0.0], [7.0, 0.0]]),
        "size": tf.constant([[2.0, 2.0], [1.0, 1.0], [1.0, 1.0]]),
        "known_size": tf.constant([[2.0, 2.0], [1.0, 1.0], [1.0, 1.0]]),
        "first": tf.constant([[True, False], [True, False], [True, False]]),
        "inverse": tf.ones([3, 2]),
        "ideal": tf.constant([[1, 2], [1, 2], [1, 2]]),
        "weight": tf.constant([3.0, 1.0, 0.0]),
    }
    found = label_values(target.sums, values, bands=BANDS)
    assert tuple(found) == target.stored_names
    sums = np.array([float(tf.reduce_sum(value)) for value in found.values()])
    measured = target.measured(np.append(sums, np.zeros(len(target.sum_names) - len(sums))), WEIGHTED)
    assert measured["count"] == 4
    assert measured["recall_at_1"] == pytest.approx(3 * 0.5 / 4)
    assert measured["precision_at_1"] == pytest.approx(3 / 4)
    assert measured["nll"] == pytest.approx((3 * 1.5 + 0.25) / 4)
    # A baseline has one entry for each label, with the weight of its row.
    present = label.numpy() > PADDING
    rows = np.nonzero(present)[0]
    flat = {name: value.numpy()[present] for name, value in values.items() if name != "weight"}
    flat["weight"] = values["weight"].numpy()[rows]
    theirs = row_sums(target.sums, flat, rows, ROWS, bands=BANDS)
    np.testing.assert_allclose(theirs.sum(axis=0), sums, rtol=1e-5)


def test_an_infinite_loss_with_weight_0_does_not_count() -> None:
    target = Target("party", "class", (), weight="w")
    values = {
        "label": np.array([0, 1]), "nll": np.array([1.0, np.inf]), "rank": np.array([1, 2]), "weight": np.array([2, 0]),
    }  # fmt: skip
    sums = row_sums(target.sums, values, np.array([0, 1]), 2).sum(axis=0)
    assert target.measured(sums, WEIGHTED)["nll"] == pytest.approx(1.0)


def test_without_weights_there_are_no_more_sums() -> None:
    target = Target("", "label", ())
    assert target.views == target.bands
    assert not any(WEIGHTED in name for name in target.sum_names)
