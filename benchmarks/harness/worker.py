"""Worker process that runs one workload on request.

`python -m benchmarks.harness.worker MODULE:CLASS ARGUMENTS` creates one object and then answers requests, each a line
of JSON:

    {"do": "start"}                   ->  {"resident": bytes}, when the object is created
    {"do": "prepare", "size": {...}}  ->  what prepare(**size) returns, or {}
    {"do": "turn", "steps": n}        ->  {"cpu": s, "wall": s, "peak": bytes}

A request that fails is answered with {"error": "...", "trace": "..."}. The output of libraries goes to standard error.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from typing import Any, Protocol

from benchmarks.harness.machine import ChildrenWatch, forget_peak, peak_memory, resident_memory
from benchmarks.harness.timing import Spent


class Workload(Protocol):
    """Workload of a worker."""

    def prepare(self, **size: Any) -> dict[str, Any] | None:
        """Prepare for a size: compile and warm up. May be called again for another size.

        Returns:
            Figures of the workload beside its time, as JSON; None: there are none.
        """
        ...

    def turn(self, steps: int) -> Spent:
        """Run a number of steps."""
        ...


def main(target: str, arguments: str) -> None:
    """Serve requests until standard input ends.

    Args:
        target: `module:class` of the workload.
        arguments: Keyword arguments of the workload, as JSON.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    module, _, name = target.partition(":")
    workload: Any = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "start":
                workload = getattr(importlib.import_module(module), name)(**json.loads(arguments))
            answer = _answer(workload, request)
        except Exception as error:
            message = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
            answer = {"error": message, "trace": traceback.format_exc()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _answer(workload: Workload, request: dict[str, Any]) -> dict[str, Any]:
    if request["do"] == "start":
        return {"resident": resident_memory()}
    if request["do"] == "prepare":
        return workload.prepare(**request["size"]) or {}
    forget_peak()
    with ChildrenWatch() as children:
        spent = workload.turn(request["steps"])
    return {"cpu": spent.cpu, "wall": spent.wall, "peak": peak_memory() + children.peak}


if __name__ == "__main__":
    main(*sys.argv[1:])
