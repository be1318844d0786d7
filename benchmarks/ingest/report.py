"""Tables of `bigvocab bench ingest`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from benchmarks.harness.bounds import Bound
from benchmarks.harness.tables import table
from benchmarks.ingest.data import CORPUS
from benchmarks.ingest.measure import STAGES, Results, Stage, growth, of_node
from components.messages.formatting import in_mebibytes

_HEADER = ("data", "examples", "node", "wall s", "examples/s", "CPU s", "CPU µs an example", "peak, MiB")


def stage_lines(results: Results) -> Iterator[str]:
    """Yield the lines of a table with a row for each node, and a row of totals for each data and size."""
    totals = {(s.data, s.examples): [s] for s in results.together()}
    for stage in results.polars:
        totals[stage.data, stage.examples] = [*totals.get((stage.data, stage.examples), []), stage]
    rows = []
    for key, stages in results.by_data().items():
        rows += [_row(stage) for stage in [*stages, *totals.get(key, [])]]
    yield from table(_HEADER, rows)


def engine_lines(results: Results) -> Iterator[str]:
    """Yield a note on Beam's engine, unless Beam ran in the measured process itself."""
    if results.beam["kind"] != "local":
        kind = results.beam["kind"]
        yield f"Beam's engine: {kind}. What its own processes take of CPU time and memory is not in the table."
        yield ""


def _row(stage: Stage) -> tuple[str, ...]:
    return (
        stage.data,
        f"{stage.examples:,}",
        stage.node,
        f"{stage.wall:.1f}",
        f"{stage.rate:,.0f}",
        f"{stage.cpu:.1f}",
        f"{1e6 * stage.cpu / stage.examples:.1f}",
        in_mebibytes(stage.peak),
    )


def growth_lines(results: Results) -> Iterator[str]:
    """Yield the lines of a table with the growth of CPU time and memory from each size to the next."""
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


def _corpus_seconds(results: Results) -> float | None:
    found = of_node(results.together(), CORPUS, "all three")
    return found[0].wall if found else None


def _row_rate(results: Results) -> float | None:
    found = _rows(results, 500_000)
    return found[0].rate if found else None


def _large_row_rate(results: Results) -> float | None:
    found = _rows(results, 9_000_000)
    return found[-1].rate if found else None


def _to_polars(results: Results) -> float | None:
    found = _rows(results, 9_000_000)
    cpu = {stage.examples: stage.cpu for stage in results.polars}
    return found[-1].cpu / cpu[found[-1].examples] if found and found[-1].examples in cpu else None


def _row_cost(results: Results) -> float | None:
    found = _rows(results, 900_000)
    costs = [stage.cpu / stage.examples for stage in found]
    return costs[-1] / costs[0] if len(costs) > 1 else None


def _row_memory(results: Results) -> float | None:
    found = _rows(results, 900_000)
    return found[-1].peak / found[0].peak if len(found) > 1 else None


def _event_rate(results: Results) -> float | None:
    found = _events(results)
    return found[-1].rate if found else None


def _event_memory(results: Results) -> float | None:
    found = _events(results)
    return found[-1].peak / found[0].peak if len(found) > 1 else None


def _events(results: Results) -> list[Stage]:
    """Return ExampleGen's results for at least half a million labels from events, the smallest size first."""
    return [stage for stage in of_node(results.stages, "events", STAGES[0]) if stage.examples >= 500_000]


def _rows(results: Results, least: int) -> list[Stage]:
    """Return the totals of all nodes for at least `least` labeled rows, the smallest size first."""
    return [stage for stage in of_node(results.together(), "rows", "all three") if stage.examples >= least]


BOUNDS = (
    Bound("the default corpus, from text to transformed records", "at most", 90, _corpus_seconds, " s"),
    Bound("labelled rows, all three nodes, at the size nearest 1M", "at least", 30_000, _row_rate, " rows/s"),
    Bound("labelled rows, all three nodes, from 9M rows", "at least", 60_000, _large_row_rate, " rows/s"),
    Bound("CPU time of all three nodes to that of Polars, from 9M rows", "at most", 35, _to_polars),
    Bound("CPU time per labelled row, from the size nearest 1M to the largest", "at most", 1.15, _row_cost),
    Bound("peak memory of labelled rows, from the size nearest 1M to the largest", "at most", 1.5, _row_memory),
    Bound("events to sequences, ExampleGen alone", "at least", 60_000, _event_rate, " labels/s"),
    Bound("peak memory of events, from the size nearest 1M to the largest", "at most", 1.3, _event_memory),
)


def bound_lines(results: Results) -> Iterator[str]:
    """Yield the lines of a table of the bounds, each with its figure and verdict."""
    rows = []
    for bound in BOUNDS:
        value = bound.measured(results)
        verdict = "-" if value is None else "MISSED" if bound.missed(results) else "holds"
        limit = f"{bound.sense} {bound.figure(bound.limit)}"
        rows.append((bound.what, limit, "-" if value is None else bound.figure(value), verdict))
    yield from table(("bound", "limit", "measured", "result"), rows)


def missed(results: Results) -> bool:
    """Return True if a measured figure is beyond its bound. A figure that was not measured misses none."""
    return any(bound.missed(results) for bound in BOUNDS)
