"""Processes of the benchmarks as forks of a process that has imported the libraries, which takes 7 seconds."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.forks import ForkServer
from tests.pipeline.commands import MODULES

_FORKED = ("benchmarks.quality.data", "benchmarks.trainings", "benchmarks.harness.worker")


def popen_with(forks: ForkServer) -> Callable[..., Any]:
    """Return a replacement of `subprocess.Popen` that forks the modules in `_FORKED`, and starts all other commands."""
    real = subprocess.Popen

    def popen(command: Sequence[str], *arguments: Any, **options: Any) -> Any:
        if list(command[:2]) != [sys.executable, "-m"] or command[2] not in _FORKED:
            return real(command, *arguments, **options)
        assert not arguments
        return Forked(forks, command[2:], options["env"], "stdin" in options, options.get("stderr"))

    return popen


class Forked:
    """Process with those parts of `subprocess.Popen` that the benchmarks use. Its output is text.

    Args:
        forks: Server that forks it.
        command: Module and its arguments.
        environment: Environment variables.
        asked: True to open its standard input as well.
        stderr: `subprocess.PIPE` to return its standard error from `communicate`.
    """

    def __init__(
        self, forks: ForkServer, command: Sequence[str], environment: Mapping[str, str], asked: bool, stderr: int | None
    ) -> None:
        self.args, self.returncode, self._stderr = command, None, stderr
        folder = Path(tempfile.mkdtemp())
        questions, answers, self._pid, self._err = (folder / name for name in ("in", "out", "pid", "err"))
        os.mkfifo(answers)
        if asked:
            os.mkfifo(questions)
        changed = {name: value for name, value in environment.items() if os.environ.get(name) != value}
        self._ended = forks.start(
            _run, str(self._pid), str(questions) if asked else None, *command,
            out=answers, err=self._err, environment=changed, modules=MODULES,
        )  # fmt: skip
        self.stdout = answers.open(encoding="utf-8")
        self.stdin = questions.open("w", encoding="utf-8") if asked else None

    def communicate(self, *_: object, **__: object) -> tuple[str, str | None]:
        out = self.stdout.read()
        self.wait()
        return out, self._err.read_text() if self._stderr == subprocess.PIPE else None

    def wait(self) -> int:
        self.returncode = self._ended.result()
        return self.returncode

    def poll(self) -> int | None:
        return self.wait() if self._ended.done() else None

    def kill(self) -> None:
        if not self._ended.done():
            os.kill(int(self._pid.read_text()), signal.SIGKILL)

    def __enter__(self) -> Forked:
        return self

    def __exit__(self, *_: object) -> None:
        self.wait()


def _run(pid: str, questions: str | None, module: str, *arguments: str) -> None:
    Path(pid).write_text(str(os.getpid()))
    if questions:
        os.dup2(os.open(questions, os.O_RDONLY), 0)
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
