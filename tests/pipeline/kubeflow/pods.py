"""Pods: `bigvocab` commands in separate processes that do not each load TensorFlow.

A fork server loads all libraries once. A pod takes half a minute, mostly for imports; its fork takes seconds.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.forks import ForkServer

# Modules that the nodes load. TensorFlow is only loaded, not used, because its threads do not survive a fork.
_MODULES = (
    "components.training.run",
    "pipeline.dag",
    "pipeline.execution.node",
    "pipeline.execution.pod",
    "pipeline.execution.results",
)


@dataclass(frozen=True)
class Ended:
    """Result of a pod: exit code, standard output and standard error."""

    code: int
    out: str
    err: str


class Pods:
    """Starter of pods. Several threads may start pods at once.

    Args:
        folder: Parent of the working folders of the pods.
        environment: Variables for all pods, beside the environment of this process.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder, self._number, self._lock = folder, 0, threading.Lock()
        self._server = ForkServer(_MODULES, environment)

    def __call__(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Ended:
        """Run `bigvocab ARGUMENTS` to its end."""
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
