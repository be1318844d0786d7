"""Results of the softmax benchmark, and the bounds on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from benchmarks.harness.bounds import Bound
from benchmarks.harness.machine import Machine
from benchmarks.harness.timing import Timing
from benchmarks.softmax import variants as v
from benchmarks.softmax.grid import Cell, Result
from benchmarks.softmax.training import BARE, FIT, INPUT, REPLICAS, TrainingRates

# Sizes that the bounds apply to.
BATCH, CLASSES, MANY_CLASSES = 1_024, 25_000, 1_000_000
# Three matrices with (width + 1) float32 per class: the table and Adam's two moments of the table.
_TABLES = 3


@dataclass
class Results:
    """Results of the benchmark.

    Attributes:
        machine: Machine of the measurement.
        threads: Threads of each process.
        cells: Cells by number of classes and batch size.
        training: Rates of the whole training; None if it was not measured.
    """

    machine: Machine
    threads: int
    cells: dict[tuple[int, int], Cell] = field(default_factory=dict)
    training: TrainingRates | None = None

    @property
    def failures(self) -> list[str]:
        """Sorted messages of the variants and arms that were started and failed."""
        found = {
            f"{name} at {classes:,} classes and B={batch:,} {result.skipped}"
            for (classes, batch), cell in self.cells.items()
            for name, result in cell.results.items()
            if result.failed
        }
        if self.training:
            found |= {f"{name} failed: {reason}" for name, reason in self.training.failed.items()}
        return sorted(found)

    def speed(self, name: str, against: str) -> float | None:
        """Return the speedup over another variant by CPU time, at the size of the bounds."""
        cell = self.cells.get((CLASSES, BATCH))
        return cell.speed(name, against) if cell else None

    def growth(self) -> float | None:
        """Return the CPU time of the row-wise step with `MANY_CLASSES` classes, relative to `CLASSES` classes."""
        few, many = (self._cpu(classes) for classes in (CLASSES, MANY_CLASSES))
        return many / few if few and many else None

    def memory_growth(self) -> float | None:
        """Return the memory growth of the row-wise step up to `MANY_CLASSES`, relative to the growth of its tables."""
        few, many = (self._rowwise(classes) for classes in (CLASSES, MANY_CLASSES))
        if few is None or many is None or not (few.memory and many.memory):
            return None
        width = self.cells[CLASSES, BATCH].problem.width
        return (many.memory - few.memory) / (4 * _TABLES * (width + 1) * (MANY_CLASSES - CLASSES))

    def as_json(self) -> dict[str, Any]:
        """Return all figures: times in milliseconds per step, memory in bytes."""
        cells = [
            {
                "classes": classes,
                "batch": batch,
                "candidates": cell.problem.candidates,
                "variants": {name: _result(result, cell.speed(name)) for name, result in cell.results.items()},
            }
            for (classes, batch), cell in self.cells.items()
        ]
        training = self.training and {
            "classes": self.training.classes,
            "batch": self.training.batch,
            "arms": {
                name: {**_timing(timing), "examples_a_second": self.training.rate(name)}
                for name, timing in self.training.arms.items()
            },
            "failed": self.training.failed,
        }
        bounds = [
            {"what": bound.what, "sense": bound.sense, "limit": bound.limit, "measured": bound.measured(self)}
            for bound in BOUNDS
        ]
        return {
            "machine": vars(self.machine),
            "threads": self.threads,
            "cells": cells,
            "training": training,
            "bounds": bounds,
        }

    def _rowwise(self, classes: int) -> Result | None:
        cell = self.cells.get((classes, BATCH))
        return cell.results.get(v.ROWWISE) if cell else None

    def _cpu(self, classes: int) -> float | None:
        cell = self.cells.get((classes, BATCH))
        return cell.cpu(v.ROWWISE) if cell else None


def _faster(name: str, against: str) -> Callable[[Results], float | None]:
    return lambda results: results.speed(name, against)


def _share(name: str, of: str) -> Callable[[Results], float | None]:
    return lambda results: results.training.share(name, of) if results.training else None


BOUNDS = (
    Bound("dense (exact Adam) as fast as naive", "at least", 15, _faster(v.DENSE, v.NAIVE)),
    Bound("row-wise as fast as naive", "at least", 22, _faster(v.ROWWISE, v.NAIVE)),
    Bound("row-wise in bfloat16 as fast as naive", "at least", 28, _faster(v.ROWWISE_BF16, v.NAIVE)),
    Bound("row-wise as fast as the textbook", "at least", 2, _faster(v.ROWWISE, v.TEXTBOOK)),
    Bound("row-wise as fast as PyTorch's sampled form", "at least", 1.5, _faster(v.ROWWISE, v.TORCH_SAMPLED)),
    Bound("row-wise as long as its matrix products", "at most", 1.8, _faster(v.PRODUCTS, v.ROWWISE)),
    Bound("row-wise with 1M classes as long as with 25K", "at most", 1.5, Results.growth),
    Bound("memory growth / table growth, from 25K to 1M classes", "at most", 1.15, Results.memory_growth),
    Bound("rate through fit, input included / rate of the bare step", "at least", 0.8, _share(FIT, BARE)),
    Bound(
        "input alone",
        "at least",
        300_000,
        lambda results: results.training.rate(INPUT) if results.training else None,
        " windows/s",
    ),
    Bound("rate of two replicas / rate of one", "at least", 0.65, _share(REPLICAS, FIT)),
)


def _result(result: Result, speed: float | None) -> dict[str, Any]:
    if result.timing is None:
        return {"skipped": result.skipped}
    return {**_timing(result.timing), "memory": result.memory, "times_naive": speed}


def _timing(timing: Timing) -> dict[str, Any]:
    def figures(rounds: tuple[float, ...], least: float, median: float) -> dict[str, Any]:
        return {"least": least, "median": median, "rounds": rounds}

    return {
        "cpu_ms": figures(timing.cpu, timing.least_cpu, timing.median_cpu),
        "wall_ms": figures(timing.wall, timing.least_wall, timing.median_wall),
    }
