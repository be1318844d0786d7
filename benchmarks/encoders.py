"""Comparison of encoders on the eval split, at equal CPU time and with the same head."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from benchmarks.harness.tables import table
from benchmarks.trainings import Data, Reached, Training, spread, train_all

CONCATENATION = {"context": 10, "num_heads": 0, "ngrams": 1}
GRU = {"kind": "recurrent", "cell": "gru", "context": 20, "embedding": 50, "projection": 128, "units": 128}
ARMS: dict[str, dict[str, Any]] = {
    "concatenation": {"model": CONCATENATION},
    "concatenation + n-grams": {"model": {**CONCATENATION, "ngrams": 4}},
    "pooling": {"model": {"ngrams": 1}},
    "pooling + n-grams": {"model": {}},
    "gru": {"model": {**GRU, "hidden": 128, "dropout": 0.2}, "learning_rate": 3e-3},
}
"""Fields that differ from the default `TrainerSpec`, by name. A GRU diverges at the learning rate of the others."""


def compare(
    data: Data, names: Sequence[str], seeds: int, cpu_seconds: float, at_once: int, say: Callable[[str], None]
) -> dict[str, list[Reached]]:
    """Train each encoder once with each seed.

    Args:
        data: Data to train on.
        names: Names from `ARMS`.
        seeds: Number of seeds.
        cpu_seconds: CPU time of each training.
        at_once: Number of concurrent trainings.
        say: Receives progress messages.

    Raises:
        RuntimeError: A training failed.
    """
    trainings = [
        Training(name, ARMS[name], seed, cpu_seconds=cpu_seconds) for seed in range(1, seeds + 1) for name in names
    ]
    reached: dict[str, list[Reached]] = {name: [] for name in names}
    for training, result in zip(trainings, train_all(data, trainings, at_once, say), strict=True):
        reached[training.name].append(result)
    return reached


def lines(reached: Mapping[str, Sequence[Reached]]) -> Iterator[str]:
    """Return the lines of a table of means over the seeds, with their ranges."""
    header = ["encoder", "epochs", "CPU s", "nll", "recall@10"]
    rows = [
        [
            name,
            f"{statistics.mean(r.epochs for r in runs):.2f}",
            f"{statistics.mean(r.cpu for r in runs):.0f}",
            spread([r.nll for r in runs], 3),
            spread([r.recall for r in runs], 4),
        ]
        for name, runs in reached.items()
    ]
    return table(header, rows)
