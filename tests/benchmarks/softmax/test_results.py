from __future__ import annotations

import dataclasses
import json

import pytest

from benchmarks.harness.machine import this_machine
from benchmarks.harness.timing import Timing
from benchmarks.softmax.grid import Cell, Result
from benchmarks.softmax.problem import Problem
from benchmarks.softmax.report import bound_lines, overview, training_lines
from benchmarks.softmax.results import BATCH, BOUNDS, CLASSES, MANY_CLASSES, Results
from benchmarks.softmax.training import BARE, FIT, INPUT, REPLICAS, TrainingRates

TABLES = 4 * 3 * 129 * (MANY_CLASSES - CLASSES)
GOOD = {
    "naive": 420.0, "textbook": 54.0, "dense": 26.0, "rowwise": 15.0, "rowwise-bf16": 13.0,
    "torch-sampled": 29.0, "products": 10.0,
}  # fmt: skip


def timing(ms: float) -> Timing:
    return Timing((ms, ms + 1, ms + 3), (ms / 2, ms / 2 + 1, ms))


def cell(classes: int, ms: dict[str, float], memory: int = 0) -> Cell:
    return Cell(Problem(classes, BATCH), {name: Result(timing(value), memory) for name, value in ms.items()})


def results(**changed: float) -> Results:
    arms = {BARE: timing(20), FIT: timing(22), INPUT: timing(5), REPLICAS: timing(30)}
    return Results(
        this_machine(),
        2,
        {
            (CLASSES, BATCH): cell(CLASSES, {**GOOD, **changed}, memory=100),
            (MANY_CLASSES, BATCH): cell(MANY_CLASSES, {"rowwise": 20.0}, memory=100 + TABLES),
        },
        TrainingRates(CLASSES, BATCH, arms, {}),
    )


def missed(of: Results) -> list[str]:
    return [bound.what for bound in BOUNDS if bound.missed(of)]


def test_bounds_that_hold() -> None:
    found = results()
    assert missed(found) == []
    text = "\n".join(bound_lines(found))
    assert "28.00x" in text
    assert "not measured" not in text


@pytest.mark.parametrize(
    ("changed", "which"),
    [
        ({"textbook": 29.0}, "row-wise as fast as the textbook"),
        ({"naive": 380.0, "rowwise": 14.0, "rowwise-bf16": 10.0}, "dense (exact Adam) as fast as naive"),
        ({"rowwise-bf16": 15.1}, "row-wise in bfloat16 as fast as naive"),
        ({"torch-sampled": 22.0}, "row-wise as fast as PyTorch's sampled form"),
        ({"products": 8.0}, "row-wise as long as its matrix products"),
        ({"rowwise": 13.0}, "row-wise with 1M classes as long as with 25K"),
    ],
)
def test_a_bound_that_is_missed(changed: dict[str, float], which: str) -> None:
    assert missed(results(**changed)) == [which]


def test_memory_and_rates() -> None:
    found = results()
    found.cells[MANY_CLASSES, BATCH].results["rowwise"].memory += TABLES
    assert found.memory_growth() == pytest.approx(2)
    assert found.training
    slow = {**found.training.arms, FIT: timing(26), INPUT: timing(7), REPLICAS: timing(42)}
    found.training = dataclasses.replace(found.training, arms=slow)
    assert missed(found) == [
        "memory growth / table growth, from 25K to 1M classes",
        "rate through fit, input included / rate of the bare step",
        "input alone",
        "rate of two replicas / rate of one",
    ]


def test_a_share_compares_turns_of_the_same_round() -> None:
    """The machine gets faster while it is measured; the best rounds would say 110%."""
    arms = {BARE: Timing((1.0, 1.0, 1.0), (14.0, 12.0, 11.0)), FIT: Timing((1.0, 1.0, 1.0), (14.0, 12.0, 10.0))}
    assert TrainingRates(CLASSES, BATCH, arms, {}).share(FIT, BARE) == 1
    assert TrainingRates(CLASSES, BATCH, arms, {}).share(REPLICAS, FIT) is None


def test_what_was_not_measured_is_not_missed() -> None:
    nothing = Results(this_machine(), 2)
    assert missed(nothing) == []
    assert sum("not measured" in line for line in bound_lines(nothing)) == len(BOUNDS)


def test_failures_are_named_once() -> None:
    found = results()
    found.cells[CLASSES, BATCH].results["full"] = Result(skipped="failed: ValueError: no", failed=True)
    found.training = TrainingRates(CLASSES, BATCH, {}, {FIT: "killed"})
    assert found.failures == ["full at 25,000 classes and B=1,024 failed: ValueError: no", "through fit failed: killed"]


def test_tables() -> None:
    found = results()
    lines = list(overview(found.cells))
    assert lines[2] == "| classes / B   | 25K / 1,024 | 1M / 1,024 |"
    assert "| rowwise       |       28.0x |     (20.0) |" in lines
    assert found.training
    text = "\n".join(training_lines(found.training))
    # The fastest round by wall time: 11 ms per step of 1,024 examples.
    assert "| through fit  |     93,091 |          22.0 |   91% of bare step |" in text


def test_json_has_every_figure() -> None:
    found = json.loads(json.dumps(results().as_json()))
    (few, many) = found["cells"]
    assert few["variants"]["rowwise"]["cpu_ms"] == {"least": 15.0, "median": 16.0, "rounds": [15.0, 16.0, 18.0]}
    assert few["variants"]["rowwise"]["times_naive"] == pytest.approx(28)
    assert many["variants"]["rowwise"]["times_naive"] is None
    assert few["candidates"] == Problem(CLASSES, BATCH).candidates
    assert found["training"]["arms"][INPUT]["examples_a_second"] == pytest.approx(1_024 / 2.5e-3)
    assert len(found["bounds"]) == len(BOUNDS)
    assert set(found["machine"]["versions"]) >= {"python", "tensorflow", "keras"}
