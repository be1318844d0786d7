"""Tests of the measurement of several models over the same rows."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.inference.rows.questions import Question
from components.metrics.targets import Target
from pipeline.comparison import measuring
from pipeline.comparison.measuring import FEWEST_ROWS, Batch, Measurement
from pipeline.comparison.results import Group
from tests.drawing import drawn

LABEL = Target("", "label", ())
NUMBER = Target("", "number", ())
PRICE = Target("price", "number", ())


def outputs(rng: np.random.Generator, rows: int, gain: float = 0.0, target: Target = LABEL) -> dict[str, Any]:
    """Return the sums of rows with one label, of a model that ranks a label first with the share .5 + `gain`."""
    found = {name: np.zeros(rows) for name in target.sum_names}
    found[target.name("count")] += 1
    if target.kind == "number":
        error = rng.normal(0, 1 - gain, rows)
        return found | {target.name("squared_error"): error**2, target.name("absolute_error"): abs(error)}
    hit = (rng.random(rows) < 0.5 + gain).astype(float)
    of_all = {"count": 1, "known": 1, "nll": rng.gamma(2, 1, rows) * (1 - gain), "hit_1": hit, "hit_10": hit}
    return found | {f"{name}{band}": value + np.zeros(rows) for name, value in of_all.items() for band in ("", "_head")}


def question(number: int) -> Question:
    return Question(number, f"row {number}", b"", slices=(("shop", "north" if number % 3 else "south"),))


def groups(*models: dict[str, Any], targets: tuple[Target, ...] = (LABEL,), known: bool = False) -> list[Group]:
    measured = Measurement(targets, [f"m{place}" for place in range(len(models))], known, resamples=60)
    rows = len(next(iter(models[0].values())))
    half = rows // 2
    for part in (slice(0, half), slice(half, rows)):  # In two batches.
        questions = [question(number) for number in range(rows)[part]]
        measured.add(Batch([questions] * len(models), [{n: v[part] for n, v in model.items()} for model in models]))
    return [*measured.groups()]


def margins(group: Group, other: int = 1) -> dict[str, Any]:
    return {margin.metric: margin for margin in group.margins[other - 1]}


@given(st.integers(0, 100), st.integers(FEWEST_ROWS, 90))
@drawn(5)
def test_a_model_compared_with_itself_has_no_difference(seed: int, rows: int) -> None:
    model = outputs(np.random.default_rng(seed), rows)
    for group in groups(model, model):
        assert group.models[0] == group.models[1]
        for margin in group.margins[0]:
            same = 1.0 if margin.measure == "ratio" else 0.0
            assert margin.value in (same, None)
            assert margin.low in (same, None)
            assert margin.high == margin.low
    assert margins(groups(model, model)[0])["recall_at_10"].high == 0.0


@pytest.mark.parametrize("target", [LABEL, NUMBER])
def test_a_planted_better_model_wins(target: Target) -> None:
    rng = np.random.default_rng(1)
    found = groups(outputs(rng, 400, target=target), outputs(rng, 400, 0.3, target), targets=(target,))
    whole = margins(found[0])
    if target is NUMBER:
        assert whole["rmse"].high < 1.0
        assert whole["mae"].high < 0.0
        return
    assert whole["recall_at_10"].low > 0.0
    assert whole["perplexity"].high < 1.0
    assert whole["nll"].value == pytest.approx(np.log(whole["perplexity"].value))
    north, south = found[-2:]
    assert (north.value, south.value) == ("north", "south"), "the value with the most labels comes first"
    assert (north.rows, south.rows) == (266, 134)
    assert margins(north)["recall_at_10"].low > 0.0


def test_the_rows_are_paired() -> None:
    rng = np.random.default_rng(2)
    first = outputs(rng, 300)
    # The second model is right wherever the first one is, and in a few more rows.
    other = {**first, "hit_10": np.maximum(first["hit_10"], rng.random(300) < 0.03)}
    alone = outputs(rng, 300)
    paired, unpaired = (
        margins(groups(first, other)[0])["recall_at_10"],
        margins(groups(first, alone)[0])["recall_at_10"],
    )
    assert paired.low >= 0.0
    assert paired.high - paired.low < (unpaired.high - unpaired.low) / 2


def test_few_rows_have_figures_and_no_interval() -> None:
    rng = np.random.default_rng(3)
    (whole, *_) = groups(outputs(rng, FEWEST_ROWS - 1), outputs(rng, FEWEST_ROWS - 1))
    found = margins(whole)["recall_at_10"]
    assert found.value is not None
    assert (found.low, found.high, found.resamples) == (None, None, 0)


def test_labels_that_only_one_model_knows_do_not_count_among_the_known() -> None:
    rng = np.random.default_rng(4)
    first, other = outputs(rng, 100), outputs(rng, 100)
    other["known"] = np.repeat([1.0, 0.0], 50)
    whole, known, *_ = groups(first, other, known=True)
    assert (whole.rows, known.kind, known.rows) == (100, "known", 50)
    assert known.models[0].nll == pytest.approx(first["nll"][:50].mean())


def test_further_targets_and_sums_that_an_older_model_lacks() -> None:
    rng = np.random.default_rng(5)
    first, other = (outputs(rng, 50) | outputs(rng, 50, gain, PRICE) for gain in (0.0, 0.5))
    del other["hit_20"]
    whole, *_, price = groups(first, other, targets=(LABEL, PRICE))
    assert margins(whole)["recall_at_20"].value is None
    assert (price.kind, price.column) == ("target", "price")
    assert margins(price)["rmse"].value < 1.0


@given(st.integers(FEWEST_ROWS, 60), st.integers(1, 25))
@drawn(5)
def test_many_rows_are_added_up_and_the_figures_stay(rows: int, limit: int) -> None:
    rng = np.random.default_rng(rows)
    first, other = outputs(rng, rows), outputs(rng, rows, 0.1)
    expected = groups(first, other)[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measuring, "_ALL", limit)
        found = groups(first, other)[0]
    assert found.rows == min(rows, limit)
    assert margins(found)["nll"].value == pytest.approx(margins(expected)["nll"].value)
    assert found.models[1].recall_at_10 == pytest.approx(expected.models[1].recall_at_10)


def test_several_models_are_each_compared_with_the_first() -> None:
    rng = np.random.default_rng(6)
    found = groups(*(outputs(rng, 200, gain) for gain in (0.0, 0.4, -0.4)))[0]
    assert margins(found, 1)["recall_at_10"].low > 0 > margins(found, 2)["recall_at_10"].high
    assert {margin.baseline for each in found.margins for margin in each} == {"m0"}


def test_weights_are_a_view_of_their_own() -> None:
    target = dataclasses.replace(LABEL, weight="price")
    rng = np.random.default_rng(7)
    models = [outputs(rng, 100, target=target) for _ in range(2)]
    for model in models:
        model |= {f"{name}_weighted": 2 * model[name] for name in ("count", "known", "nll", "hit_10")}
    weighted = next(group for group in groups(*models, targets=(target,)) if group.kind == "weighted")
    assert weighted.models[0].count == 200
    assert weighted.column == "price"
