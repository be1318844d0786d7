"""The tables of `bigvocab bench ingest`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.ingest.measure import STAGES, Results, Stage, growth, of_node
from benchmarks.tables import mebibytes, table

_HEADER = ("data", "examples", "node", "wall s", "examples/s", "CPU s", "CPU µs an example", "peak, MiB")
UNITS = {"sequences": "windows", "rows": "labelled rows", "corpus": "windows of the default corpus"}


def stage_lines(results: Results) -> Iterator[str]:
    """A row for each node, and one for all nodes of each data and size."""
    together = {(s.data, s.examples): s for s in results.together()}
    rows = []
    for key, stages in results.by_data().items():
        rows += [_row(stage) for stage in [*stages, *([together[key]] if key in together else [])]]
    yield from table(_HEADER, rows)


def _row(stage: Stage) -> tuple[str, ...]:
    return (
        stage.data,
        f"{stage.examples:,}",
        stage.node,
        f"{stage.wall:.1f}",
        f"{stage.rate:,.0f}",
        f"{stage.cpu:.1f}",
        f"{1e6 * stage.cpu / stage.examples:.1f}",
        mebibytes(stage.peak),
    )


def growth_lines(results: Results) -> Iterator[str]:
    """How CPU time and memory grow from each size to the next."""
    everything = [*results.stages, *results.together()]
    rows = []
    for data in dict.fromkeys(stage.data for stage in everything):
        for node in (*STAGES, "all three"):
            sizes = of_node(everything, data, node)
            for small, large in itertools.pairwise(sizes):
                exponent, memory = growth(small, large), large.peak / small.peak
                between = f"{small.examples:,} to {large.examples:,}"
                rows.append((data, node, between, f"{exponent:.2f}", f"{memory:.2f}x"))
    if rows:
        yield "CPU time grows as examples to the power of p; 1 is in proportion."
        yield ""
        yield from table(("data", "node", "examples", "p", "peak memory"), rows)


@dataclass(frozen=True)
class Bound:
    """What must hold.

    Attributes:
        what: in words.
        bound: in words.
        measured: in words; None where the sizes for it were not measured.
        holds: whether it does.
    """

    what: str
    bound: str
    measured: Callable[[Results], tuple[str, bool] | None]


def _corpus_seconds(results: Results) -> tuple[str, bool] | None:
    found = of_node(results.together(), "corpus", "all three")
    return (f"{found[0].wall:.0f} s", found[0].wall <= 90) if found else None


def _row_rate(results: Results) -> tuple[str, bool] | None:
    found = [s for s in of_node(results.together(), "rows", "all three") if s.examples >= 500_000]
    return (f"{found[0].rate:,.0f} rows/s", found[0].rate >= 15_000) if found else None


def _row_cost(results: Results) -> tuple[str, bool] | None:
    found = [s for s in of_node(results.together(), "rows", "all three") if s.examples >= 900_000]
    if len(found) < 2:
        return None
    ratio = (found[-1].cpu / found[-1].examples) / (found[0].cpu / found[0].examples)
    return f"{ratio:.2f}x", ratio <= 1.15


def _row_memory(results: Results) -> tuple[str, bool] | None:
    found = [s for s in of_node(results.together(), "rows", "all three") if s.examples >= 900_000]
    if len(found) < 2:
        return None
    ratio = found[-1].peak / found[0].peak
    return f"{ratio:.2f}x", ratio <= 1.5


BOUNDS = (
    Bound("the default corpus, from text to transformed records", "at most 90 s", _corpus_seconds),
    Bound("labelled rows, all three nodes together", "at least 15,000 rows/s", _row_rate),
    Bound("CPU time a labelled row, from the size nearest 1M to the largest", "at most 1.15x", _row_cost),
    Bound("peak memory of labelled rows, from the size nearest 1M to the largest", "at most 1.50x", _row_memory),
)


def bound_lines(results: Results) -> Iterator[str]:
    rows = []
    for bound in BOUNDS:
        found = bound.measured(results)
        measured, holds = found or ("-", None)
        rows.append((bound.what, bound.bound, measured, {True: "holds", False: "MISSED", None: "-"}[holds]))
    yield from table(("must hold", "bound", "measured", ""), rows)


def missed(results: Results) -> bool:
    return any(found is not None and not found[1] for found in (bound.measured(results) for bound in BOUNDS))
