"""Tests of moments, summed in any parts, against NumPy and values worked by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.preprocessing.columns.moments import Moments
from components.preprocessing.columns.numbers import Number, _Combiner, describe
from tests.drawing import drawn

FLOATS = st.floats(-(2.0**120), 2.0**120, width=32)


@drawn()
@given(st.lists(st.lists(FLOATS, max_size=5), max_size=5))
def test_parts_add_up_to_the_whole(parts: list[list[float]]) -> None:
    combiner = _Combiner(1)
    accumulators = [combiner.add_input(combiner.create_accumulator(), (np.array(part),)) for part in parts]
    # The format of Transform's analyzer cache.
    kept = [json.loads(json.dumps(accumulator.tolist())) for accumulator in accumulators]
    values = np.array([value for part in parts for value in part], np.float64)
    found = combiner.extract_output(combiner.merge_accumulators([combiner.create_accumulator(), *kept]))[0][0]
    if not len(values):
        assert found.tolist() == [0, 0, 0, math.inf, -math.inf, 0]
        return
    scale = float(np.abs(values).max())
    assert found[0] == len(values)
    assert found[1] == pytest.approx(values.mean(), rel=1e-12, abs=1e-12 * scale)
    assert found[2] == pytest.approx(values.var(), rel=1e-9, abs=1e-24 * scale**2)
    assert found[3:5].tolist() == [values.min(), values.max()]


@pytest.mark.parametrize(
    ("values", "deviation"),
    [
        ([19.99] * 3, 0.0),
        (np.full(1_000, 19.99, np.float32).tolist(), 0.0),
        ([1.0], 0.0),
        ([], 0.0),
        ([0.0, -0.0], 0.0),
        ([math.nan, math.inf, -math.inf], 0.0),
        ([1e18, 1e24], (1e24 - 1e18) / 2),
        ([1e-30, 3e-30], 1e-30),
        ([-3.4e38, 3.4e38], 3.4e38),
        ([1e9 - 1e4, 1e9 + 1e4], 1e4),
        ([1e9 - 1, 1e9 + 1], 0.0),  # rows are stored in float32, which has steps of 64 there
        ([0.0, 1e-44], 0.0),  # subnormal
        ([1.0, math.nan, 3.0], 1.0),
    ],
)
def test_deviations_by_hand(values: list[float], deviation: float) -> None:
    assert Moments.of(values).deviation == pytest.approx(deviation, rel=1e-12)


def test_an_offset_of_a_billion_keeps_a_deviation_of_one() -> None:
    parts = [Moments.of(1e9 + np.array([-1.0, 1.0]))] * 1_000
    assert sum(parts, Moments()).variance == pytest.approx(1.0, rel=1e-12)


def test_columns_that_carry_nothing_and_extreme_ones_are_named() -> None:
    tail = [*range(1, 101)] * 10
    columns = {
        "fee": Moments.of([19.99] * 5),
        "stamp": Moments.of([1.7e9, 1.7e9 + 60]),
        "wei": Moments.of([1e18, 3e18, 1e24]),
        "tail": Moments.of([*tail, 1e30]),
        "label": Moments.of([*tail, 1e30]),
        "atoms": Moments.of([1e-30, 3e-30]),
        "price": Moments.of(tail),
        "empty": Moments(),
    }
    assert describe(Number(name, name != "label", moments) for name, moments in columns.items()) == [
        "constant: fee (19.99 in every row; carries nothing)",
        "constant: stamp (1700000000 to 1700000060, a deviation below 1e-06 of the mean; carries nothing)",
        "extreme: wei (values from 1e+18 to 1e+24)",
        "extreme: tail (values from 1 to 1e+30, up to 31.6 deviations from the mean; clipped at 10)",
        "extreme: label (values from 1 to 1e+30, up to 31.6 deviations from the mean)",
        "extreme: atoms (values from 1e-30 to 3e-30)",
    ]
