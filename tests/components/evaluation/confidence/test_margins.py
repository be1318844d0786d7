"""Tests of the margins over the best baseline and of their intervals."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.evaluation.confidence import margins as module
from components.evaluation.confidence.margins import (
    RESAMPLES,
    interval,
    margins,
    read_margins,
    resample_weights,
    write_margins,
)
from components.evaluation.node import _equals
from components.metrics.targets import Target, compared
from components.report.sections.measures import Margin
from tests.drawing import drawn

LABEL = Target("", "label", ("popular", "bigram", "cooccurrence"))
SUMS = [of.name for of in LABEL.sums]
RECALL, PERPLEXITY = compared(LABEL)


def sums(**columns: Any) -> np.ndarray:
    """Return the sums of rows, (rows, len(SUMS))."""
    n = len(columns["count"])
    found = {"known": columns["count"], **columns}
    return np.stack([np.asarray(found.get(name, np.zeros(n)), np.float64) for name in SUMS], axis=1)


def random_rows(n: int, seed: int, gain: float = 0.0) -> np.ndarray:
    """Return rows of a model and a baseline, whose labels hit with a share that both have in common within a row."""
    rng = np.random.default_rng(seed)
    count = rng.integers(1, 6, n)
    share = rng.beta(2, 2, n)
    base = rng.binomial(count, share)
    ours = rng.binomial(count, np.minimum(1, share + gain))
    nll = rng.gamma(2, 1, (n, 2)) * count[:, np.newaxis]
    return np.stack(
        [sums(count=count, hit_10=hits, nll=nats) for hits, nats in zip((ours, base), nll.T, strict=True)], axis=1
    )


@given(st.integers(2, 30), st.integers(1, 40), st.integers(1, 500))
@drawn(30)
def test_each_resample_draws_as_many_rows_as_there_are(rows: int, resamples: int, held: int) -> None:
    whole = np.concatenate([*resample_weights(rows, resamples)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_HELD", held)
        parts = [*resample_weights(rows, resamples)]
    assert max(part.size for part in parts) <= max(held, rows)
    assert whole.shape == (resamples, rows)
    np.testing.assert_array_equal(whole.sum(axis=1), rows)
    # The draws do not depend on the size of the parts.
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("metric", [RECALL, PERPLEXITY], ids=lambda metric: metric.name)
def test_the_interval_is_that_of_a_plain_loop_over_the_same_draws(metric: Any) -> None:
    rows = random_rows(40, 1)
    values = []
    for weights in np.concatenate([*resample_weights(40, RESAMPLES)]):
        drawn = [row for row, times in zip(rows, weights, strict=True) for _ in range(int(times))]
        ours, theirs = ({name: sum(row[i][place] for row in drawn) for place, name in enumerate(SUMS)} for i in (0, 1))
        if metric is RECALL:
            values.append((ours["hit_10"] - theirs["hit_10"]) / ours["count"])
        else:
            values.append(math.exp((ours["nll"] - theirs["nll"]) / ours["known"]))
    expected = np.quantile(values, [0.025, 0.975])
    assert interval(LABEL, metric, rows) == pytest.approx(expected)
    assert expected[0] < expected[1]


@pytest.mark.slow
def test_the_interval_covers_the_true_difference_about_as_often_as_its_level() -> None:
    gain, covered = 0.0, 0
    for seed in range(200):
        low, high = interval(LABEL, RECALL, random_rows(150, seed), resamples=200)
        assert low is not None
        assert high is not None
        covered += low <= gain <= high
    # 95% of 200 are 190, with a standard deviation of 3.1.
    assert 178 <= covered <= 199


def test_the_margin_is_over_the_best_baseline_of_each_metric() -> None:
    count = [2.0, 2.0, 4.0]
    model = sums(count=count, hit_10=[1, 1, 4], nll=[2, 2, 4])
    popular = sums(count=count, hit_10=[1, 1, 1], nll=[4, 4, 8])
    bigram = sums(count=count, hit_10=[0, 1, 2], nll=[3, 3, 6])
    cooccurrence = sums(count=count, hit_10=[1, 1, 3], nll=[math.nan] * 3)
    recall, perplexity = margins(LABEL, np.stack([model, popular, bigram, cooccurrence], axis=1))
    assert (recall.metric, recall.baseline, recall.measure) == ("recall_at_10", "cooccurrence", "difference")
    assert recall.value == pytest.approx(1 / 8)
    # In some resamples, the row that differs is not drawn.
    assert recall.low == 0
    assert recall.equal
    assert (perplexity.metric, perplexity.baseline, perplexity.measure) == ("perplexity", "bigram", "ratio")
    # All rows have the same nll per label, so the interval is a point.
    assert (perplexity.value, perplexity.low, perplexity.high) == pytest.approx([math.exp(-0.5)] * 3)
    assert not perplexity.equal
    assert (recall.rows, recall.resamples, recall.level) == (3, RESAMPLES, 0.95)


def test_one_row_and_resamples_without_a_value_have_no_interval() -> None:
    rows = random_rows(1, 0)
    assert interval(LABEL, RECALL, rows) == (None, None)
    without_labels = np.concatenate([rows, 0 * rows])
    assert interval(LABEL, RECALL, without_labels) == (None, None)


def test_a_number_is_compared_with_its_mean() -> None:
    label = Target("", "number", ("mean",))
    rows = np.array([[[1.0, 4, 2, 0, 0], [1, 16, 4, 0, 0]], [[1.0, 4, 2, 0, 0], [1, 16, 4, 0, 0]]])
    (margin,) = margins(label, rows)
    assert (margin.metric, margin.baseline, margin.measure, margin.value) == ("rmse", "mean", "ratio", 0.5)


def test_margins_are_read_as_they_were_written(tmp_path: Path) -> None:
    assert read_margins(str(tmp_path)) == []
    found = [
        Margin(
            metric="recall_at_10", baseline="bigram", measure="difference", value=0.1, low=None, high=None, level=0.95,
            rows=1, resamples=1_000,
        )
    ]  # fmt: skip
    write_margins(str(tmp_path), found)
    assert read_margins(str(tmp_path)) == found


def test_the_line_of_the_evaluator_names_the_baselines_that_the_model_is_equal_to() -> None:
    def margin(metric: str, baseline: str, measure: str, low: float, high: float) -> Margin:
        numbers = {"value": low, "low": low, "high": high, "level": 0.95, "rows": 9, "resamples": 9}
        return Margin.model_validate({"metric": metric, "baseline": baseline, "measure": measure, **numbers})

    recall = margin("recall_at_10", "bigram", "difference", -0.1, 0.1)
    assert _equals([recall, margin("perplexity", "bigram", "ratio", 0.9, 1.1)]) == [
        "recall@10 and perplexity equal to the bigram's within the interval"
    ]
    assert _equals([recall, margin("perplexity", "trigram", "ratio", 0.9, 0.95)]) == [
        "recall@10 equal to the bigram's within the interval"
    ]
    assert _equals([]) == []
