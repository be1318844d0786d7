"""Tests of the checks on an answer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from components.infra_validation.answers import BrokenExport, Expected, check_answer
from components.ingest.spec import DataSpec
from tests.drawing import drawn

Outputs = dict[str, np.ndarray]


def _good(rows: int, k: int, seed: int = 0) -> Outputs:
    logits = np.random.default_rng(seed).normal(size=(rows, k + 2))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([[b"w%d" % i for i in range(k)]] * rows, object)
    return {"labels": labels, "probabilities": -np.sort(-probabilities, axis=1)[:, :k].astype(np.float32)}


@drawn()
@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 1000))
def test_a_softmax_cut_at_k_is_good(rows: int, k: int, seed: int) -> None:
    check_answer(_good(rows, k, seed), rows, Expected(k))
    check_answer(_good(rows, k, seed), rows, Expected())


@drawn()
@given(hnp.arrays(np.float32, (2, 3), elements=st.floats(width=32)))
def test_whatever_passes_is_a_distribution(probabilities: np.ndarray) -> None:
    try:
        check_answer({**_good(2, 3), "probabilities": probabilities}, 2, Expected(3))
    except BrokenExport:
        return
    assert np.isfinite(probabilities).all()
    assert (probabilities >= 0).all()
    assert (probabilities.sum(axis=1) < 1.01).all()
    assert (probabilities[:, :-1] >= probabilities[:, 1:]).all()


def _with(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Outputs:
    outputs = _good(2, 3)
    return {**outputs, name: change(outputs[name])}


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"labels": np.array([[b"a"]])}, "no output 'probabilities'"),
        (_with("labels", lambda v: v[:1]), "output 'labels' has shape"),
        (_with("probabilities", lambda v: v[:, 0]), "output 'probabilities' has shape"),
        (_with("labels", lambda v: v[:, :0]), "output 'labels' has shape"),
        (_with("probabilities", lambda v: np.full_like(v, np.inf)), "NaN or infinity"),
        (_with("probabilities", lambda v: v - 1), "not a distribution"),
        (_with("probabilities", lambda v: v[:, ::-1]), "descending"),
        (_with("labels", lambda v: np.where(v == b"w1", b"", v)), "empty label"),
        (_with("labels", lambda v: np.where(v == b"w1", b"w0", v)), "more than once"),
    ],
)
def test_a_wrong_answer_is_named(outputs: Outputs, message: str) -> None:
    with pytest.raises(BrokenExport, match=message):
        check_answer(outputs, 2, Expected(3))


ALL = Expected(3, classes=("party",), numbers=("year",))
FURTHER = {
    "party": np.array([b"Whig", b"Whig"], object),
    "party_probability": np.array([0.5, 1.0], np.float32),
    "year": np.array([1847.5, 1850.0], np.float32),
}


def test_numbers_and_further_targets_are_good() -> None:
    check_answer({**_good(2, 3), **FURTHER}, 2, ALL)
    check_answer({"values": FURTHER["year"]}, 2, Expected(number=True))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"party": None}, "no output 'party'"),
        ({"year": np.zeros((2, 1))}, r"output 'year' has shape \(2, 1\) for 2 rows, not \(2,\)"),
        ({"year": np.array([1.0, np.nan])}, "output 'year' holds NaN or infinity"),
        ({"party_probability": np.array([0.5, 1.1])}, "output 'party_probability' is not a probability"),
        ({"party": np.array([b"Whig", b""], object)}, "output 'party' is empty"),
        ({"labels": None}, "no output 'labels'"),
    ],
)
def test_a_wrong_target_is_named(changes: dict[str, np.ndarray | None], message: str) -> None:
    outputs = {name: value for name, value in {**_good(2, 3), **FURTHER, **changes}.items() if value is not None}
    with pytest.raises(BrokenExport, match=message):
        check_answer(outputs, 2, ALL)


@pytest.mark.parametrize(
    ("labels", "message"),
    [(None, "no output 'labels'"), (np.array([b"a", b"b"], object), r"output 'labels' has shape \(2,\)")],
)
def test_wrong_labels_are_named_where_their_number_is_unknown(labels: np.ndarray | None, message: str) -> None:
    outputs = {**_good(2, 1), "labels": labels}
    with pytest.raises(BrokenExport, match=message):
        check_answer({name: value for name, value in outputs.items() if value is not None}, 2, Expected())


def test_a_number_without_values_is_named() -> None:
    with pytest.raises(BrokenExport, match="no output 'values'"):
        check_answer(_good(2, 3), 2, Expected(number=True))


def test_what_is_expected_follows_from_the_data_in_the_export() -> None:
    source = {"kind": "csv", "path": "rows.csv"}
    targets = {"party": {"kind": "category"}, "year": {"kind": "number"}}
    label = {"label": "price", "label_kind": "number"}
    data = DataSpec.model_validate(
        {"shape": "labelled", "source": source, "inputs": ["a"], **label, "targets": targets}
    )
    assert Expected.of(None, data) == Expected(None, number=True, classes=("party",), numbers=("year",))
    assert Expected.of(5, None) == Expected(5)


def test_independent_probabilities_may_sum_to_more_than_1() -> None:
    likely = {**_good(2, 3), "probabilities": np.array([[1.0, 0.9, 0.2], [0.8, 0.8, 0.7]], np.float32)}
    check_answer(likely, 2, Expected(3, independent=True))
    with pytest.raises(BrokenExport, match="sums to more than 1"):
        check_answer(likely, 2, Expected(3))
    with pytest.raises(BrokenExport, match="below 0 or above 1"):
        check_answer({**likely, "probabilities": likely["probabilities"] * 1.2}, 2, Expected(3, independent=True))
