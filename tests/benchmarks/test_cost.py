"""Tests of the cost model."""

from __future__ import annotations

import io

import pytest

from benchmarks.cost import Cost, cost, duration, lines, show
from pipeline.cli import main
from pipeline.config.loading import loads
from pipeline.config.spec import Config

TEXT = """
name: rows
data:
  shape: labelled
  source: {kind: csv, path: /rows.csv}
  inputs: [items]
  label: bought
  tokenizer: none
"""


def config(classes: int = 25_000) -> Config:
    return loads(TEXT, [f"vocabulary.labels={classes}"])


def test_costs_grow_as_the_data_and_the_classes() -> None:
    small, rows, classes = (cost(config(c), r, 10, 2) for c, r in ((25_000, 10**6), (25_000, 10**8), (10**6, 10**6)))
    assert rows.examples == pytest.approx(100 * small.examples, rel=0.1)
    assert rows.epoch == pytest.approx(100 * small.epoch)
    assert (rows.memory, rows.model) == (small.memory, small.model)
    # A class has a vector and a bias, and four values for each weight.
    wide = config().trainer.model.output_width + 1
    assert classes.memory - small.memory == 4 * 4 * wide * (10**6 - 25_000)
    assert classes.scores == pytest.approx(40 * small.scores)
    assert classes.epoch == small.epoch


def test_more_cores_shorten_what_uses_them() -> None:
    two, many = (cost(config(), 10**7, 10, cores) for cores in (2, 32))
    assert many.epoch == pytest.approx(two.epoch / 16)
    assert two.ingest / 16 < many.ingest < two.ingest


def test_the_rates_are_those_that_were_measured() -> None:
    found = cost(config(), 10_000_000, 10, 1)
    # CPU seconds of all three nodes at ten million rows in benchmarks/README.md.
    assert found.ingest == pytest.approx(235.9, rel=0.01)
    assert cost(config(), 1_024, 10, 1).scores == pytest.approx(10_000 / 1_024 * 0.116)


@pytest.mark.parametrize("wrong", [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_a_number_below_one_is_refused(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="rows, tokens and cores must be at least 1"):
        cost(config(), *wrong)
    assert main(["bench", "cost", "--cores", "0"]) == 2


def test_the_table_has_units() -> None:
    out = io.StringIO()
    assert show(Cost(10**9, 10**8, 10**6, 2**30, 7_200, 90, 1.26), out) == 0
    assert "| time to ingest and transform    |       2 h |" in out.getvalue()
    assert [*lines(Cost(0, 0, 0, 0, 0, 90, 1.26))][-1].endswith("1.3 s |")
    assert duration(200_000) == "2.3 days"
