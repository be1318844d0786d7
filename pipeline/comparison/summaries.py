"""Comparison of the figures in the summaries of runs whose models are gone: without intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from components.messages.exit_codes import UserError
from components.messages.formatting import listed
from components.metrics.table import shown
from components.report.summary import Summary
from components.report.tables import counted, kind_of_label
from pipeline.comparison.margin import margin
from pipeline.comparison.results import Group
from pipeline.comparison.sides import Side


def groups_of(sides: Sequence[Side]) -> tuple[list[Group], list[str]]:
    """Return the groups that all summaries have, with differences and without intervals, and notes on the test splits.

    Args:
        sides: Runs or versions, each with a summary.

    Raises:
        UserError: A run has no figures, or the labels are of different kinds.
    """
    found = [side.summary for side in sides if side.summary and side.summary.metrics]
    if len(found) < len(sides):
        lacking = [side.name for side in sides if not side.summary or not side.summary.metrics]
        raise UserError(
            f"{listed(lacking)}: has no figures in a report, and another run has no model any more; name the root of a "
            "run whose report has metrics"
        )
    if len({kind_of_label(summary.metrics) for summary in found}) > 1:
        raise UserError(
            "the labels are of different kinds, such as a number and a class: they have no metric in common"
        )
    counts = [getattr(summary.metrics, "count", None) for summary in found]
    if len(set(counts)) > 1:
        numbers = listed(f"{side.name} {count:,}" for side, count in zip(sides, counts, strict=True) if count)
        return [*_groups(found, sides[0].name)], [
            f"The test splits differ ({counted(found[0].metrics)}: {numbers}): the figures are not over the same rows."
        ]
    return [*_groups(found, sides[0].name)], []


def _groups(summaries: Sequence[Summary], first: str) -> list[Group]:
    kind, own = kind_of_label(summaries[0].metrics), summaries[0].own_metrics

    def group(of: Any, measured: Sequence[Any], **name: Any) -> Group:
        values = [_values(metrics) for metrics in measured]
        columns = [
            c for c in shown(kind, "column" if of == "all" else "brief", own) if all(c.name in v for v in values)
        ]
        margins = [[margin(column, other, values[0], first) for column in columns] for other in values[1:]]
        return Group(kind=of, rows=None, models=[*measured], margins=margins, **name)

    bands = [band for band in summaries[0].bands if all(band in summary.bands for summary in summaries)]
    slices = [{(entry.slice, entry.value): entry.metrics for entry in summary.slices} for summary in summaries]
    return [
        group("all", [summary.metrics for summary in summaries]),
        *(group("band", [summary.bands[band] for summary in summaries], value=band) for band in bands),
        *(
            group("slice", [of[column, value] for of in slices], column=column, value=value)
            for column, value in slices[0]
            if all((column, value) in of for of in slices)
        ),
    ]


def _values(metrics: Any) -> dict[str, float]:
    return {name: math.nan if value is None else value for name, value in metrics.model_dump().items()}
