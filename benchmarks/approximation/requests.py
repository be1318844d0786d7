"""Requests for the most probable classes: their recall and error against exact answers, and their time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from benchmarks.harness.timing import Timing, interleaved

BATCHES = (1, 64)
"""Rows of a request, for each measurement of the time."""
_REQUESTS = 64
"""Different requests that a measurement of the time repeats."""

Answers = tuple[NDArray[Any], NDArray[np.float32]]
"""Classes and their probabilities, (rows, k) each, the most probable first."""


def joined(answer: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]], rows: Sequence[Any] | NDArray[Any]) -> Answers:
    """Return the answers to all rows, which are asked for 64 at a time."""
    classes, probabilities = zip(*(answer(part) for part in _requests(rows, BATCHES[-1])), strict=True)
    return np.concatenate(classes), np.concatenate(probabilities)


def recall(exact: Answers, other: Answers) -> float:
    """Return the mean share of the exact classes that the other answers have, among as many classes."""
    k = exact[0].shape[1]
    return float(np.mean([len({*a} & {*b}) / k for a, b in zip(exact[0], other[0][:, :k], strict=True)]))


def nats(exact: Answers, other: Answers) -> float:
    """Return the mean absolute error of the log probability of the most probable class."""
    return float(np.abs(np.log(other[1][:, 0]) - np.log(exact[1][:, 0])).mean())


def timed(
    forms: Mapping[str, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]],
    rows: Sequence[Any] | NDArray[Any],
    batch: int,
    rounds: int,
) -> dict[str, Timing]:
    """Return the time of a request of `batch` rows to each form. The forms take turns."""
    parts = [part for part in _requests(rows[: _REQUESTS * batch], batch) if part.shape[0] == batch]

    def step_of(name: str) -> Callable[[int], object]:
        return lambda number: forms[name](parts[number % len(parts)])[0].numpy()

    return interleaved({name: step_of(name) for name in forms}, rounds)


def header() -> list[str]:
    """Return the names of the columns of times."""
    return [f"{kind} ms, {batch} row{'s' * (batch > 1)}" for batch in BATCHES for kind in ("wall", "CPU")]


def cells(times: Mapping[int, Timing]) -> list[str]:
    """Return the columns of times, by the times of each number of rows."""
    return [f"{t:.2f}" for batch in BATCHES for t in (times[batch].median_wall, times[batch].median_cpu)]


def _requests(rows: Sequence[Any] | NDArray[Any], batch: int) -> list[tf.Tensor]:
    return [tf.constant(rows[first : first + batch]) for first in range(0, len(rows), batch)]
