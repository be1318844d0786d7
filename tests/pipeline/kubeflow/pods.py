"""Runs commands of `bigvocab` as pods would, each in a process of its own, without loading TensorFlow for each.

One process loads everything once and then forks for each command: what a pod does within half a minute, most of it
imports, takes it seconds.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]


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
        path = {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.pipeline.kubeflow.pods"], cwd=ROOT, text=True,
            env={**os.environ, **path, **environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._ended: dict[int, int] = {}
        self._news = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()

    def __call__(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Ended:
        """Runs `bigvocab ARGUMENTS` to its end."""
        with self._lock:
            self._number += 1
            number = self._number
            folder = self._folder / f"{number}-{'-'.join(arguments[:2])}"
            folder.mkdir(parents=True)
            request = {"number": number, "folder": str(folder), "arguments": arguments, "environment": environment}
            assert self._process.stdin
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        with self._news:
            self._news.wait_for(lambda: number in self._ended or self._process.poll() is not None)
        assert number in self._ended, "the process that forks has died"
        return Ended(self._ended[number], (folder / "out").read_text(), (folder / "err").read_text())

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()

    def _listen(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            number, code = map(int, line.split())
            with self._news:
                self._ended[number] = code
                self._news.notify_all()
        with self._news:
            self._news.notify_all()


@contextlib.contextmanager
def pods(folder: Path, environment: Mapping[str, str]) -> Iterator[Pods]:
    running = Pods(folder, environment)
    try:
        yield running
    finally:
        running.close()


def _child(folder: str, arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    os.chdir(folder)
    os.environ.update(environment)
    for name, descriptor in (("out", 1), ("err", 2)):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), descriptor)
    from pipeline.cli import main

    try:
        return main(arguments)
    except SystemExit as ended:
        return int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
        return 1


def _serve() -> None:
    """Reads requests, forks for each, and writes `NUMBER CODE` when one has ended."""
    # What the nodes load; TensorFlow is only loaded, not used: its threads would not survive a fork.
    for module in ("components.trainer.run", "pipeline.dag", "pipeline.node", "pipeline.pod", "pipeline.results"):
        importlib.import_module(module)

    def reap(child: int, number: int) -> None:
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{number} {os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()

    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = _child(request["folder"], request["arguments"], request["environment"] or {})
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(code)
        threading.Thread(target=reap, args=(child, request["number"])).start()


if __name__ == "__main__":
    _serve()
