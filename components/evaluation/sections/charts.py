"""Charts of the evaluation in the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from components.charts import Chart, Column, bars, lines, position, series, tooltips
from components.messages.formatting import share
from components.metrics.reliability import CONFIDENT

if TYPE_CHECKING:
    from components.report.sections.measures import Metrics, ReliabilityBin
    from components.report.summary import Summary

_RANKS = ("1", "2 to 5", "6 to 10", "11 to 20", "above 20", "outside")
_BARS = 5
"""Height of the chart in heights of the tallest bar of the numbers of predictions."""


def ranks(summary: Summary) -> list[Chart]:
    """Return the histogram of the rank of the label, of the model and of the best baseline; none for other labels.

    The groups are the differences of recall@1, recall@5, recall@10 and recall@20, so they are exact and cost nothing.
    """
    from components.report.tables import best_baseline, kind_of_label  # Every command imports this module.

    if summary.metrics is None or kind_of_label(summary.metrics) != "label":
        return []
    best = best_baseline(summary.baselines)
    models = {"this model": summary.metrics, **({best: summary.baselines[best]} if best else {})}
    rows = []
    for model, metrics in models.items():
        values = [getattr(metrics, name, None) for name in ("recall_at_1", "recall_at_5", "recall_at_10")]
        shares = [*values, getattr(metrics, "recall_at_20", None), _known(metrics), 1.0]
        if any(value is None for value in shares):
            continue
        found = zip(_RANKS, [0.0, *shares[:-1]], shares, strict=True)
        rows += [{"model": model, "rank": rank, "share": max(0.0, b - a)} for rank, a, b in found]
    if not rows:
        return []
    columns = (Column("model", "model"), Column("rank", "rank"), Column("share", "share of labels", ".2%"))
    x = {"field": "rank", "type": "nominal", "title": "rank of the label", "sort": [*_RANKS], "axis": {"labelAngle": 0}}
    y = {**position("share", "share of labels"), "axis": {"format": ".0%"}}
    layers = bars(x, y, columns, series("model", dict.fromkeys(row["model"] for row in rows)))
    note = f"share of {summary.metrics.count:,} labels, test split"
    return [Chart("ranks", "Rank of the label", note, rows, columns, layers, {})]


def _known(metrics: Metrics) -> float | None:
    """Return the share of the labels in the vocabulary."""
    count, known = getattr(metrics, "count", None), getattr(metrics, "known", None)
    return known / count if count and known is not None else None


def calibration(summary: Summary) -> list[Chart]:
    """Return the reliability diagram, as a chart of the confident predictions and a chart of all others.

    With many classes, most predictions are below the least confident probability, and would be one dot of a single
    chart. A chart without predictions is left out.
    """
    measured = _reliability(summary)
    charts = []
    for name, confident, title in (
        ("calibration-confident", True, f"Predictions from p = {CONFIDENT:g}"),
        ("calibration-rest", False, f"Predictions below p = {CONFIDENT:g}"),
    ):
        parts = {of: [bin for bin in bins if (bin.low >= CONFIDENT) == confident] for of, bins in measured.items()}
        if any(bin.count for bins in parts.values() for bin in bins):
            charts.append(_reliability_chart(name, title, parts, sum(bin.count for bin in [*measured.values()][-1])))
    return charts


def _reliability(summary: Summary) -> dict[str, Sequence[ReliabilityBin]]:
    """Return the bins that were measured, by series: before and after the calibration, and on the test split."""
    found = summary.training.label_calibration if summary.training else None
    measured: dict[str, Sequence[ReliabilityBin]] = {}
    if found:
        measured["eval split, before calibration"] = found.before.reliability
        measured["eval split, after calibration"] = found.after.reliability
    measured["test split, after calibration"] = summary.reliability
    return {name: bins for name, bins in measured.items() if any(bin.count for bin in bins)}


def _reliability_chart(name: str, title: str, parts: dict[str, list[ReliabilityBin]], total: int) -> Chart:
    """Return the chart of some bins. The bars show the numbers of predictions of the last series.

    Args:
        name: Id of the chart.
        title: Title.
        parts: Bins by series.
        total: Number of predictions of the last series in all bins.
    """
    *_, last = parts
    rows: list[dict[str, Any]] = [
        {
            "series": of,
            "bin": f"{bin.low:g} to {bin.high:g}",
            "last": of == last,
            **bin.model_dump(),
        }
        for of, bins in parts.items()
        for bin in bins
    ]
    columns = (
        Column("series", "split"), Column("bin", "probability"), Column("count", "predictions", "count"),
        Column("confidence", "mean p"), Column("share_correct", "correct"),
    )  # fmt: skip
    low, high = rows[0]["low"], rows[-1]["high"]
    note = f"{share(sum(bin.count for bin in parts[last]) / total)} of the predictions on the {last}"
    tallest = max(bin.count for bin in parts[last]) or 1
    domain = {"domain": [low, high], "nice": False}
    x = position("confidence", "probability of the most probable class", **domain)
    y = position("share_correct", "share of correct predictions", zero=True)
    counts = {
        "transform": [{"filter": "datum.last"}],
        "mark": {"type": "rect", "fill": "var(--track)", "stroke": "var(--paper)"},
        "encoding": {
            "x": position("low", x["title"], **domain),
            "x2": {"field": "high"},
            "y": {**position("count", "", domain=[0, _BARS * tallest]), "axis": None},
            "y2": {"datum": 0},
            "tooltip": tooltips(columns),
        },
    }
    perfect = {
        "data": {"values": [{"p": low}, {"p": high}]},
        "mark": {"type": "line", "strokeDash": [2, 4], "color": "var(--soft)"},
        "encoding": {"x": position("p", x["title"], **domain), "y": position("p", y["title"])},
    }
    drawn = [
        {**layer, "transform": [{"filter": "isValid(datum.confidence)"}]}
        for layer in lines(x, y, columns, series("series", parts))
    ]
    layers = [counts, {"layer": [perfect, *drawn]}]
    return Chart(name, title, note, rows, columns, layers, {"resolve": {"scale": {"y": "independent"}}})
