"""The metrics of a model in a few words, for one line on the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from components.figures import in_units


def headline(metrics: Mapping[str, float | None]) -> str:
    """Return the metrics that tell most: `recall@10 0.496, perplexity 128.0`."""
    if "rmse" in metrics:
        return rmse(metrics)
    recall, perplexity = metrics["recall_at_10"], metrics["perplexity"]
    return f"recall@10 {_figure(recall, '.3f')}, perplexity {_figure(perplexity, '.1f')}"


def rmse(metrics: Mapping[str, float | None], split: str = "") -> str:
    """Return the errors of a label that is a number, in its units."""
    return f"{split}rmse {_in_units(metrics['rmse'])}, mean absolute error {_in_units(metrics['mae'])}"


def target(name: str, metrics: Mapping[str, float | None]) -> str:
    """Return the metric of a further target that tells most: `party accuracy 0.712`."""
    if "accuracy" in metrics:
        return f"{name} accuracy {_figure(metrics['accuracy'], '.3f')}"
    return f"{name} rmse {_in_units(metrics['rmse'])}"


def _in_units(value: float | None) -> str:
    return "-" if value is None else in_units(value)


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
