"""Runs commands of `bigvocab` as pods would, each in a process of its own, without loading TensorFlow for each.

A fork server loads everything once. A pod takes half a minute, most of it imports; its fork takes seconds.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.forks import ForkServer

# What the nodes load. TensorFlow is only loaded, not used: its threads would not survive a fork.
_MODULES = (
    "components.training.run",
    "pipeline.dag",
    "pipeline.execution.node",
    "pipeline.execution.pod",
    "pipeline.execution.results",
)


@dataclass(frozen=True)
class Ended:
    """How a pod ended: its exit code, and what it wrote to standard output and standard error."""

    code: int
    out: str
    err: str


class Pods:
    """Starts pods; several at once from several threads.

    Args:
        folder: where each gets a folder to work in.
        environment: of all pods, beside this process's own.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder, self._number, self._lock = folder, 0, threading.Lock()
        self._server = ForkServer(_MODULES, environment)

    def __call__(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Ended:
        """Runs `bigvocab ARGUMENTS` to its end."""
        with self._lock:
            self._number += 1
            folder = self._folder / f"{self._number}-{'-'.join(arguments[:2])}"
        folder.mkdir(parents=True)
        out, err = folder / "out", folder / "err"
        ended = self._server.start(_command, arguments, out=out, err=err, folder=folder, environment=environment)
        return Ended(ended.result(), out.read_text(), err.read_text())

    def close(self) -> None:
        self._server.close()


@contextlib.contextmanager
def pods(folder: Path, environment: Mapping[str, str]) -> Iterator[Pods]:
    running = Pods(folder, environment)
    try:
        yield running
    finally:
        running.close()


def _command(arguments: list[str]) -> int:
    from pipeline.cli import main

    return main(arguments)
