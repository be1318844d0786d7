"""What an answer must look like."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from components.infra_validation.answers import check_answer
from components.infra_validation.errors import BrokenExport

Outputs = dict[str, np.ndarray]


def _good(rows: int, k: int, seed: int = 0) -> Outputs:
    logits = np.random.default_rng(seed).normal(size=(rows, k + 2))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([[b"w%d" % i for i in range(k)]] * rows, object)
    return {"labels": labels, "probabilities": -np.sort(-probabilities, axis=1)[:, :k].astype(np.float32)}


@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 1000))
def test_a_softmax_cut_at_k_is_good(rows: int, k: int, seed: int) -> None:
    check_answer(_good(rows, k, seed), rows, k)
    check_answer(_good(rows, k, seed), rows, None)


@given(hnp.arrays(np.float32, (2, 3), elements=st.floats(width=32)))
def test_whatever_passes_is_a_distribution(probabilities: np.ndarray) -> None:
    try:
        check_answer({**_good(2, 3), "probabilities": probabilities}, 2, 3)
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
        (_with("probabilities", lambda v: v - 1), "no distribution"),
        (_with("probabilities", lambda v: v[:, ::-1]), "descending"),
        (_with("labels", lambda v: np.where(v == b"w1", b"", v)), "empty label"),
        (_with("labels", lambda v: np.where(v == b"w1", b"w0", v)), "more than once"),
    ],
)
def test_a_wrong_answer_is_named(outputs: Outputs, message: str) -> None:
    with pytest.raises(BrokenExport, match=message):
        check_answer(outputs, 2, 3)
