"""Intervals of the metrics over the test split and over its slices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Intervals = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Measured:
    """Intervals of the metrics.

    Attributes:
        whole: Intervals over the whole test split, by metric.
        slices: The same, by column and value of a slice.
    """

    whole: Intervals
    slices: Mapping[tuple[str, str], Intervals]


def measured(evaluation: str) -> Measured:
    """Return the intervals of the metrics, from the sums of the test rows."""
    import numpy as np

    from components.compat.tfma import eval_config_writer
    from components.evaluation.confidence.intervals import intervals
    from components.evaluation.config import read_targets
    from components.evaluation.row_sums import read_row_slices, read_row_sums
    from components.metrics.table import placed

    label, *_ = read_targets(eval_config_writer.load_eval_run(evaluation)[0])
    rows = read_row_sums(evaluation, label)[:, 0]
    brief = [metric.name for metric in placed(label.metrics, "brief")]
    slices = {}
    for column, values in read_row_slices(evaluation).items():
        found = np.array([value if value is not None else "" for value in values], object)
        for value in {value for value in values if value is not None}:
            slices[column, value] = intervals(label, rows[found == value], brief)
    return Measured(intervals(label, rows, [metric.name for metric in label.metrics]), slices)
