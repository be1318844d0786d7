"""Table of metrics. A row has the name of a metric, its formula, its unit and the places that show it."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from typing import TypeVar

from components.metrics.definitions import Column, Kind, Metric, Place, Places, Totals, Values
from components.metrics.formulas import (
    calibration_metric,
    difference,
    mean_of,
    perplexity,
    ratio_of_perplexities,
    share,
    total,
)
from components.metrics.reliability import CONFIDENT
from components.metrics.several.table import SEVERAL_METRICS

_Any = TypeVar("_Any", bound=Column)


def _r2(totals: Totals) -> float:
    """Return R^2 = 1 - sum (y - t)^2 / sum (t - mean t)^2, or NaN if all numbers are equal."""
    if not totals["count"]:
        return math.nan
    # From deviations about the train split's mean, so that the variance is not the difference of two large sums.
    spread = totals["squared_deviation"] - totals["deviation"] ** 2 / totals["count"]
    # If all numbers are equal, rounding may leave a small spread.
    return 1.0 - totals["squared_error"] / spread if spread > 1e-6 * totals["squared_deviation"] else math.nan


def _ratio_of_errors(ours: Values, theirs: Values) -> float:
    """Return the ratio of the errors. It is 1 if both are 0, as for a constant label."""
    if theirs["rmse"]:
        return ours["rmse"] / theirs["rmse"]
    return 1.0 if ours["rmse"] == 0 else math.nan if math.isnan(ours["rmse"]) else math.inf


def _recall(at: int, **places: int) -> Metric:
    return Metric(
        name=f"recall_at_{at}",
        label=f"recall@{at}",
        sums=(f"hit_{at}", "count"),
        formula=share(f"hit_{at}"),
        about="Share of all labels. A label outside the vocabulary is a miss.",
        compare=difference("recall_at_10") if at == 10 else None,
        places=Places(**places),
    )


def _reciprocal_rank(at: int, **places: int) -> Metric:
    return Metric(
        name=f"mrr_at_{at}",
        label=f"MRR@{at}",
        sums=(f"rr_{at}", "count"),
        formula=share(f"rr_{at}"),
        per="mean of 1/rank",
        about=f"Mean over all labels of 1 / rank, 0 for ranks beyond {at}.",
        places=Places(**places),
    )


METRICS = (
    Metric(
        name="accuracy",
        label="accuracy",
        kinds=("class",),
        sums=("hit_1", "count"),
        formula=mean_of("hit_1", "count"),
        about="Share of the rows with a value. A value outside the vocabulary is a miss.",
        places=Places(column=1, brief=1, terminal=1, validation=1),
    ),
    Metric(
        name="nll",
        label="nll",
        plain="nll (nats)",
        kinds=("label", "class"),
        sums=("nll", "known"),
        formula=mean_of("nll", "known"),
        unit="nats",
        per="nats per label",
        better="lower",
        over="known",
        about="Nats per label in the vocabulary.",
        objective="absolute",
        places=Places(column=9, terminal=5, validation=2, history=1),
    ),
    Metric(
        name="perplexity",
        label="perplexity",
        sums=("nll", "known"),
        formula=perplexity,
        unit="classes",
        per="classes",
        better="lower",
        over="known",
        form="large",
        about="exp(nll), over labels in the vocabulary.",
        compare=ratio_of_perplexities,
        places=Places(tile=2, column=8, brief=2, terminal=6, validation=3, history=2, curve=1, trainer=1),
    ),
    _recall(1, column=1, terminal=1),
    _recall(5, column=2),
    _recall(10, tile=1, column=3, brief=1, terminal=2, validation=4, history=3, curve=2),
    _recall(20, column=4, terminal=3),
    _reciprocal_rank(10, tile=3, column=5, terminal=4, validation=5),
    _reciprocal_rank(20, column=6),
    Metric(
        name="ndcg_at_10",
        label="NDCG@10",
        sums=("ndcg_10", "count"),
        formula=share("ndcg_10"),
        per="mean gain",
        about="Mean over all labels of 1 / log2(1 + rank), 0 for ranks beyond 10.",
        places=Places(column=7),
    ),
    calibration_metric(
        "ece",
        "ECE",
        0.0,
        "Expected calibration error: mean difference between the probability of the most probable class and the share "
        "of correct predictions, over bins of the probability. A label outside the vocabulary is a miss.",
        column=10,
    ),
    calibration_metric(
        "ece_confident",
        "ECE (p ≥ 0.1)",
        CONFIDENT,
        "Expected calibration error over the predictions with a probability of at least 0.1.",
    ),
    Metric(
        name="rmse",
        label="rmse",
        kinds=("number",),
        sums=("squared_error", "count"),
        formula=lambda totals: math.sqrt(totals["squared_error"] / totals["count"]) if totals["count"] else math.nan,
        unit="units",
        per="in {whose} units",
        better="lower",
        form="units",
        about="Root of the mean squared error, in the column's units.",
        objective="relative",
        compare=_ratio_of_errors,
        places=Places(tile=1, column=1, brief=1, terminal=1, validation=1, history=1, curve=1, trainer=1),
    ),
    Metric(
        name="mae",
        label="mean absolute error",
        plain="mean abs. error",
        kinds=("number",),
        sums=("absolute_error", "count"),
        formula=mean_of("absolute_error", "count"),
        unit="units",
        per="in {whose} units",
        better="lower",
        form="units",
        about="Mean absolute error, in the column's units.",
        places=Places(tile=2, column=2, brief=2, terminal=2, validation=2, history=2, trainer=2),
    ),
    Metric(
        name="r2",
        label="R²",
        plain="R2",
        kinds=("number",),
        sums=("squared_error", "deviation", "squared_deviation", "count"),
        formula=_r2,
        per="share of the variance",
        about="1 less the squared error as a share of the numbers' variance.",
        places=Places(tile=3, column=3, terminal=3),
    ),
    Metric(
        name="count",
        label="labels",
        kinds=("label", "class", "number"),
        sums=("count",),
        formula=total("count"),
        unit="count",
        per="",
        better=None,
        form="count",
        about="Number of labels. Further targets: number of rows with a value.",
        places=Places(),
    ),
    Metric(
        name="known",
        label="labels in the vocabulary",
        kinds=("label", "class"),
        sums=("known",),
        formula=total("known"),
        unit="count",
        per="",
        better=None,
        form="count",
        about="Labels in the vocabulary.",
        places=Places(),
    ),
    Metric(
        name="oov_rate",
        label="out-of-vocabulary rate",
        sums=("count", "known"),
        formula=lambda of: (of["count"] - of["known"]) * (1.0 / of["count"]) if of["count"] else math.nan,
        better=None,
        about="Share of the labels outside the vocabulary.",
        places=Places(),
    ),
)
"""All metrics but those of several labels, in their order in files."""
BY_NAME = {metric.name: metric for metric in (*SEVERAL_METRICS, *METRICS)}
"""All metrics by name. A metric of several labels with the name of another is not here, see `of_kind`."""


@functools.cache
def of_kind(kind: Kind) -> tuple[Metric, ...]:
    """Return the metrics of a kind of label or target, in the order of the table."""
    return tuple(metric for metric in (*METRICS, *SEVERAL_METRICS) if kind in metric.kinds)


def named(kind: Kind, *names: str) -> tuple[Metric, ...]:
    """Return the metrics of a kind with the given names, in the order of the names."""
    found = {metric.name: metric for metric in of_kind(kind)}
    return tuple(found[name] for name in names)


@functools.cache
def objective(kind: Kind) -> Metric:
    """Return the metric that decides a training and a blessing. Lower is better."""
    return next(metric for metric in of_kind(kind) if metric.objective)


def placed(columns: Iterable[_Any], place: Place) -> tuple[_Any, ...]:
    """Return the metrics that are shown in a place, in their order there."""
    shown = [column for column in columns if getattr(column.places, place)]
    return tuple(sorted(shown, key=lambda column: getattr(column.places, place)))


def shown(kind: Kind, place: Place, own: Sequence[Column] = ()) -> tuple[Column, ...]:
    """Return the metrics of a kind that are shown in a place, with a user's own."""
    return placed([*of_kind(kind), *(column for column in own if kind in column.kinds)], place)


def kind_of(values: Iterable[str], otherwise: Kind = "label") -> Kind:
    """Return `number` or `several` for names of metrics that only these kinds have, and otherwise the given kind."""
    values = set(values)
    return "number" if "rmse" in values else "several" if "precision_at_1" in values else otherwise
