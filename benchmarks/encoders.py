"""Compares encoders at equal CPU time: what each reaches on the eval split, the head and all else being the same."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from benchmarks.tables import table
from benchmarks.trainings import Data, Reached, Training, spread, train_all

CONCATENATION = {"context": 10, "heads": 0, "ngrams": 1}
GRU = {"kind": "recurrent", "cell": "gru", "context": 20, "embedding": 50, "projection": 128, "units": 128}
ARMS: dict[str, dict[str, Any]] = {
    "concatenation": {"model": CONCATENATION},
    "concatenation + n-grams": {"model": {**CONCATENATION, "ngrams": 4}},
    "pooling": {"model": {"ngrams": 1}},
    "pooling + n-grams": {"model": {}},
    "gru": {"model": {**GRU, "hidden": 128, "dropout": 0.2}, "learning_rate": 3e-3},
}
"""What differs from the default, by name. A GRU diverges at the others' learning rate."""


def compare(
    data: Data, names: Sequence[str], seeds: int, cpu_seconds: float, at_once: int, say: Callable[[str], None]
) -> dict[str, list[Reached]]:
    """Trains each encoder once with each seed.

    Args:
        data: what is learnt from.
        names: of `ARMS`.
        seeds: how many.
        cpu_seconds: of training, for each.
        at_once: trainings side by side.
        say: told how far it is.

    Raises:
        RuntimeError: a training failed.
    """
    trainings = [
        Training(name, ARMS[name], seed, cpu_seconds=cpu_seconds) for seed in range(1, seeds + 1) for name in names
    ]
    reached: dict[str, list[Reached]] = {name: [] for name in names}
    for training, result in zip(trainings, train_all(data, trainings, at_once, say), strict=True):
        reached[training.name].append(result)
    return reached


def lines(reached: Mapping[str, Sequence[Reached]]) -> Iterator[str]:
    """A table of means over the seeds, with the range from the least to the most."""
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
