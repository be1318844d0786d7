"""Results of the softmax benchmark as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.harness import bounds
from benchmarks.harness.tables import table
from benchmarks.softmax.grid import Cell, Result
from benchmarks.softmax.results import BOUNDS, Results
from benchmarks.softmax.training import BARE, FIT, INPUT, REPLICAS, TrainingRates
from benchmarks.softmax.variants import VARIANTS
from components.messages.formatting import in_mebibytes, rounded_count, three_digits, times


def legend(names: list[str]) -> Iterator[str]:
    """Yield the lines of a table that describes the variants."""
    yield from table(["variant", "what it is"], [[name, VARIANTS[name].about] for name in names], figures=False)


def cell_lines(cell: Cell) -> Iterator[str]:
    """Yield the lines of a table of all variants at one size."""
    p = cell.problem
    yield (
        f"{p.classes:,} classes, B={p.batch:,}: {p.candidates:,} candidates a step. Milliseconds a step, "
        "the least and the median of the rounds."
    )
    yield ""
    header = ["variant", "CPU ms", "median", "wall ms", "median", "speedup over naive", "memory, MiB"]
    yield from table(header, [[name, *_figures(cell, name, result)] for name, result in _ordered(cell)])
    for name, result in _ordered(cell):
        if result.skipped:
            yield f"\n{name}: {result.skipped}."


def overview(cells: dict[tuple[int, int], Cell]) -> Iterator[str]:
    """Yield the lines of a table of speedups over `naive`, by CPU time.

    If `naive` was not measured, the table shows CPU milliseconds per step in brackets.
    """
    yield "Times as fast as naive, by CPU time; where naive was left out, CPU milliseconds a step in brackets."
    yield ""
    names = list(dict.fromkeys(name for cell in cells.values() for name in VARIANTS if name in cell.results))
    header = ["classes / B", *(f"{rounded_count(classes)} / {batch:,}" for classes, batch in cells)]
    yield from table(header, [[name, *(_speed(cell, name) for cell in cells.values())] for name in names])


def training_lines(training: TrainingRates) -> Iterator[str]:
    """Yield the lines of a table of the whole training."""
    yield (
        f"The whole training, {training.classes:,} classes, B={training.batch:,}: synthetic rows, read and cut into "
        "windows while it trains. Examples by the clock and CPU time of the best round; shares are medians over the "
        "rounds."
    )
    yield ""
    against = {FIT: BARE, REPLICAS: FIT}
    rows = []
    for name, timing in training.arms.items():
        share = training.share(name, against[name]) if name in against else None
        by = f"{share:.0%} of {against[name]}" if share else "-"
        rows.append([name, f"{training.rate(name):,.0f}", three_digits(timing.least_cpu), by])
    header = ["", "windows/s" if list(training.arms) == [INPUT] else "examples/s", "CPU ms a step", "rate"]
    yield from table(header, rows)


def bound_lines(results: Results) -> Iterator[str]:
    """Yield the lines of a table of the bounds, each with its figure and verdict."""
    yield from bounds.bound_lines(BOUNDS, results)


def _ordered(cell: Cell) -> list[tuple[str, Result]]:
    return [(name, cell.results[name]) for name in VARIANTS if name in cell.results]


def _figures(cell: Cell, name: str, result: Result) -> list[str]:
    t = result.timing
    if t is None:
        return ["failed" if result.failed else "skipped", "-", "-", "-", "-", "-"]
    speed = cell.speed(name)
    return [
        *(three_digits(ms) for ms in (t.least_cpu, t.median_cpu, t.least_wall, t.median_wall)),
        times(speed) if speed else "-",
        in_mebibytes(result.memory),
    ]


def _speed(cell: Cell, name: str) -> str:
    speed, cpu = cell.speed(name), cell.cpu(name)
    return times(speed) if speed else f"({three_digits(cpu)})" if cpu else "-"
