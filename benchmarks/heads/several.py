"""Cost of several labels per row: a training step with several labels beside a step with one."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from benchmarks.harness.bounds import Bound
from benchmarks.harness.tables import table
from benchmarks.harness.timing import Timing
from components.layers.losses.names import LossName
from components.messages.formatting import three_digits

LABELS = (1, 2, 5, 10)
"""Numbers of labels of each row that are measured."""
LOSSES: tuple[LossName, ...] = get_args(LossName)
PLAIN = "one label"
"""Step of rows that have one label, with the loss of one label."""
MODEL, OUTPUT = "whole model", "output layer"
WORKLOADS: dict[str, tuple[str, dict[str, Any]]] = {
    MODEL: ("benchmarks.heads.workloads:TrainingStep", {"encoder": "shared_projection"}),
    OUTPUT: ("benchmarks.softmax.keras_steps:Ours", {"optimizer": "row_adam"}),
}
"""Target and arguments of the workloads whose steps are measured, by name."""

Steps = Mapping[str, Mapping[str, Timing]]
"""Milliseconds of a step, by workload, and by name of the arm."""


def arm(loss: LossName, labels: int) -> str:
    """Return the name of an arm."""
    return f"{loss}, {labels}"


def arms(loss: LossName) -> dict[str, dict[str, Any]]:
    """Return the arguments of a workload by name of the arm: `PLAIN`, and a loss with each number of labels."""
    return {PLAIN: {}, **{arm(loss, labels): {"loss": loss, "labels": labels} for labels in LABELS}}


def ratio(steps: Steps, workload: str, loss: LossName, labels: int) -> float | None:
    """Return the CPU time of a step relative to one label with the same loss: the median of the ratios in a round.

    Args:
        steps: Measured steps.
        workload: Name of the workload.
        loss: Loss of several labels.
        labels: Number of labels of each row.

    Returns:
        None if the workload was not measured.
    """
    if workload not in steps:
        return None
    own, one = (steps[workload][arm(loss, count)].cpu for count in (labels, 1))
    return statistics.median(a / b for a, b in zip(own, one, strict=True))


def bound(loss: LossName) -> Bound[Steps]:
    """Return the bound on a step of the whole model with five labels."""
    return Bound(
        f"CPU time of a step, {MODEL}, {loss}: 5 labels / 1 label",
        "at most",
        1.30,
        lambda steps: ratio(steps, MODEL, loss, 5),
    )


def lines(steps: Steps, classes: int, batch: int) -> Iterator[str]:
    """Yield the lines of a table of the steps.

    Args:
        steps: Measured steps.
        classes: Number of classes.
        batch: Examples of a step.
    """
    yield (
        f"A training step of rows with several labels, {classes:,} classes, B={batch:,}: milliseconds of CPU time, the "
        "least and the median of the rounds, and the median ratio to one label within a round."
    )
    yield ""
    rows = []
    for workload, timings in steps.items():
        for name, timing in timings.items():
            loss, _, labels = name.partition(", ")
            of_one = ratio(steps, workload, loss, int(labels)) if loss in LOSSES else None
            figures = [three_digits(timing.least_cpu), three_digits(timing.median_cpu)]
            rows.append([workload, loss, labels or "-", *figures, "-" if of_one is None else f"{of_one:.2f}x"])
    yield from table(["step", "loss", "labels", "CPU ms", "median", "ratio"], rows)
    yield ""
