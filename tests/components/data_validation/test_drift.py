"""Tests of drift between spans, against shares that are counted by hand."""

from __future__ import annotations

import pytest

from components.data_validation.drift import JENSEN_SHANNON, L_INFINITY, drift
from components.ingest.rows.columns import Columns
from tests.components.data_validation.conftest import MakeStatistics, address


def test_the_greatest_difference_of_a_share_and_the_divergence_of_numbers(make_statistics: MakeStatistics) -> None:
    early = [address("the state of the union", 1790 + n, "Federalist" if n < 5 else "Nonpartisan") for n in range(10)]
    late = [address("the state of our economy", 1990 + n, "Democratic") for n in range(10)]
    found = drift(make_statistics({"train": late}, "late").uri, make_statistics({"train": early}, "early").uri)
    # The share of "the" falls from two fifths to one fifth. "union" and "our" change by one fifth. All parties differ.
    assert {name: of.value for name, of in found.items()} == pytest.approx({"words": 0.2, "party": 1.0, "year": 1.0})
    assert [found[name].measure for name in ("words", "party", "year")] == [L_INFINITY, L_INFINITY, JENSEN_SHANNON]


def test_the_same_rows_do_not_drift(make_statistics: MakeStatistics, rows: dict[str, list[Columns]]) -> None:
    found = drift(make_statistics(rows, "late").uri, make_statistics(rows, "early").uri)
    assert {name: of.value for name, of in found.items()} == dict.fromkeys(("words", "year", "party"), 0.0)
