"""Pods: `bigvocab` commands in separate processes that do not each load TensorFlow."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.forks import ForkServer
from tests.hosts import Host
from tests.pipeline import commands


@dataclass(frozen=True)
class Ended:
    """Result of a pod: exit code, standard output and standard error."""

    code: int
    out: str
    err: str


class Pods:
    """Starter of pods. Several threads may start pods at once.

    Args:
        forks: Server that forks a process for each pod.
        folder: Parent of the working folders of the pods.
        environment: Variables for all pods, beside the environment of this process.
        host: Host of the test on which the pods run. None: this machine.
    """

    def __init__(
        self,
        forks: ForkServer,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        host: Host | None = None,
    ) -> None:
        self._host = host
        self._forks, self._folder, self._environment = forks, folder, dict(environment or {})
        self._number, self._lock = 0, threading.Lock()

    def __call__(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Ended:
        """Run `bigvocab ARGUMENTS` to its end."""
        with self._lock:
            self._number += 1
            folder = self._folder / f"{self._number}-{'-'.join(arguments[:2])}"
        folder.mkdir(parents=True)
        out, err = folder / "out", folder / "err"
        of_pod = {**self._environment, **(environment or {})}
        code = commands.run(self._forks, arguments, out, err, folder, of_pod, self._host)
        return Ended(code, out.read_text(), err.read_text())
