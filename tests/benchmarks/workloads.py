"""Workloads of the tests' worker processes."""

from __future__ import annotations

import os
import signal

from benchmarks.harness.timing import Spent, timed


class Sums:
    """Workload that adds numbers, or fails on request."""

    def __init__(self, threads: int, fails: str = "") -> None:
        print("this is no answer")
        self._fails = fails
        self._fail("start")

    def prepare(self, classes: int, batch: int) -> None:
        self._numbers = list(range(classes * batch))
        self._fail("prepare")

    def turn(self, steps: int) -> Spent:
        if steps > 1:
            self._fail("turn")
        return timed(lambda _: sum(self._numbers), steps)

    def _fail(self, at: str) -> None:
        if self._fails == f"{at} killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self._fails == at:
            raise ValueError(f"no {at}\nwith more lines")
